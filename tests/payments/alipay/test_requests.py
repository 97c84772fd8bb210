import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.alipay import requests
from payments.alipay.encryption import decrypted
from payments.alipay.keys import Credentials, load_private_key
from payments.alipay.signing import request_text, sign, verifies
from payments.money import Money
from tests.payments.alipay.golden import KEY_PEM, QUERY_SIGNATURE, QUERY_TEXT

KEY = load_private_key(KEY_PEM.decode())
WHO = Credentials("2021000000000001", "2088000000000001", KEY, (KEY.public_key(),))
AT = datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)  # one second before midnight in Beijing


def precreate(title: str = "龙井 50 克") -> requests.Request:
    return requests.precreate(
        out_trade_no="20261122ABC", total=Money(8880), title=title, time_expire=AT + timedelta(minutes=15),
        notify_url="https://shop.example/alipay/notify",
    )  # fmt: skip


def params_of(signed: requests.Signed) -> dict[str, str]:
    return dict(parse_qsl(f"{signed.query}&{signed.body}", strict_parsing=True, keep_blank_values=True))


def test_a_fixed_request_gives_the_same_signature_for_ever():
    params = params_of(requests.signed(requests.query("20261122ABC"), who=WHO, at=AT))

    assert request_text(params) == QUERY_TEXT
    assert params["sign"] == QUERY_SIGNATURE


def test_what_is_signed_is_what_is_sent():
    signed = requests.signed(precreate(), who=WHO, at=AT)

    params = params_of(signed)
    assert verifies(request_text(params).encode(), params["sign"], [KEY.public_key()])
    assert json.loads(params["biz_content"])["subject"] == "龙井 50 克"


def test_sign_type_is_signed_and_sign_is_not():
    text = request_text({"sign": "x", "sign_type": "RSA2", "app_id": "1", "notify_url": ""})

    assert text == "app_id=1&sign_type=RSA2"


def test_the_charset_stands_in_the_query_of_every_call():
    signed = requests.signed(requests.close("1"), who=WHO, at=AT)

    assert dict(parse_qsl(signed.query))["charset"] == "utf-8"


def test_no_empty_parameter_is_sent():
    assert all(params_of(requests.signed(requests.query("1"), who=WHO, at=AT)).values())


def test_a_browser_address_carries_everything():
    signed = requests.signed(
        requests.page_pay(
            out_trade_no="1", total=Money(1), title="t", time_expire=AT, notify_url="https://a/n", return_url="https://a/r/x/"
        ),
        who=WHO, at=AT,
    )  # fmt: skip

    address = urlsplit(signed.browser_url("https://openapi.alipay.com/gateway.do"))
    params = dict(parse_qsl(address.query))
    assert json.loads(params["biz_content"])["product_code"] == "FAST_INSTANT_TRADE_PAY"
    assert params["return_url"] == "https://a/r/x/"
    assert verifies(request_text(params).encode(), params["sign"], [KEY.public_key()])


def test_wap_pay_names_its_product_as_alipay_spells_it():
    request = requests.wap_pay(
        out_trade_no="1", total=Money(1), title="t", time_expire=AT, notify_url="n", return_url="r", quit_url="q"
    )

    assert request.biz["product_code"] == "QUICK_WAP_WAY"


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu"])
def process_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ") if before is None else os.environ.__setitem__("TZ", before)
    time.tzset()


def test_times_are_beijing_times_whatever_zone_the_process_has(process_zone: str):
    params = params_of(requests.signed(precreate(), who=WHO, at=AT))

    assert params["timestamp"] == "2026-11-22 23:59:59"
    assert json.loads(params["biz_content"])["time_expire"] == "2026-11-23 00:14:59"


def test_a_moment_without_a_zone_is_a_mistake_of_ours():
    with pytest.raises(AssertionError):
        requests.signed(requests.query("1"), who=WHO, at=datetime(2026, 1, 1))  # noqa: DTZ001  # the mistake under test


@given(st.text(max_size=400))
def test_a_subject_never_holds_what_alipay_forbids(title: str):
    subject = requests.safe_subject(title)

    assert 1 <= len(subject) <= 256
    assert not set(subject) & set("/=&\n\r\t\0")
    subject.encode()  # no lone surrogates


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_title_travels_and_verifies(title: str):
    params = params_of(requests.signed(precreate(title), who=WHO, at=AT))

    assert verifies(request_text(params).encode(), params["sign"], [KEY.public_key()])


def test_a_signature_by_openssl_is_ours_too(tmp_path):
    """Two makers of RSA2, one signature: PKCS#1 v1.5 has no randomness."""
    key = tmp_path / "key.pem"
    key.write_bytes(KEY_PEM)
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key], input=QUERY_TEXT.encode(), capture_output=True, check=True
    )

    assert b64encode(done.stdout).decode() == sign(QUERY_TEXT.encode(), KEY)


def test_the_protocol_loads_without_django():
    """`payments.alipay` is useful to a program that has no Django at all."""
    rooms = "payments.alipay.requests, payments.alipay.notices, payments.alipay.answers, payments.alipay.client"
    code = f"import sys, {rooms}; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_contents_are_encrypted_first_and_signed_as_they_travel():
    key = bytes(range(16))
    params = params_of(requests.signed(precreate(), who=replace(WHO, content_key=key), at=AT))

    assert params["encrypt_type"] == "AES"
    assert json.loads(decrypted(params["biz_content"], key))["subject"] == "龙井 50 克"
    assert verifies(request_text(params).encode(), params["sign"], [KEY.public_key()])


def test_what_a_buyer_carries_is_never_encrypted():
    page = requests.page_pay(
        out_trade_no="1",
        total=Money(1),
        title="t",
        time_expire=AT,
        notify_url="https://a/n",
        return_url="https://a/r/x/",
    )

    params = params_of(requests.signed(page, who=replace(WHO, content_key=bytes(16)), at=AT))

    assert "encrypt_type" not in params
    assert json.loads(params["biz_content"])["out_trade_no"] == "1"


COMMON: dict[str, Any] = {
    "out_trade_no": "A1", "total": Money(8880), "title": "龙井", "time_expire": AT, "notify_url": "https://shop.example/n",
}  # fmt: skip


def test_an_app_is_handed_one_signed_string():
    signed = requests.signed(requests.app_pay(**COMMON), who=WHO, at=AT)

    params = dict(parse_qsl(signed.order_string))
    assert json.loads(params["biz_content"])["product_code"] == "QUICK_MSECURITY_PAY"
    assert "return_url" not in params
    assert verifies(request_text(params).encode(), params["sign"], [KEY.public_key()])


@pytest.mark.parametrize(("code", "scene"), [("286912345678901234", "bar_code"), ("fp01" + "0" * 31, "security_code")])
def test_the_scene_follows_from_the_code_the_buyer_shows(code: str, scene: str):
    biz = json.loads(requests.pay(**COMMON, auth_code=code, terminal="T1").biz_content)

    assert (biz["auth_code"], biz["scene"], biz["terminal_id"]) == (code, scene, "T1")


def test_a_trade_inside_alipay_names_its_buyer_and_nothing_empty():
    biz = json.loads(requests.create(**COMMON, buyer_open_id="074a1Cc").biz_content)

    assert (biz["buyer_open_id"], biz["product_code"]) == ("074a1Cc", "JSAPI_PAY")
    assert all(biz.values())


def test_a_bill_is_asked_for_by_day_and_over_https():
    assert json.loads(requests.bill_link(bill_type="trade", day=date(2026, 11, 22)).biz_content) == {
        "bill_type": "trade", "bill_date": "2026-11-22", "secure": "true",
    }  # fmt: skip


def test_news_of_the_bank_are_asked_for_only_where_wanted():
    for make in (
        lambda **more: requests.refund(out_trade_no="A1", out_request_no="R1", amount=Money(1), **more),
        lambda **more: requests.refund_query(out_trade_no="A1", out_request_no="R1", **more),
    ):
        assert "query_options" not in json.loads(make().biz_content)
        assert json.loads(make(deposit_back=True).biz_content)["query_options"] == ["deposit_back_info"]
