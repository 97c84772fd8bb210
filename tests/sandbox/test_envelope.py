"""How requests are checked and answers are written."""

import json
import random
from urllib.parse import parse_qsl, urlencode

import pytest

from payments.alipay import requests
from payments.alipay.certificates import alipay_root_cert_sn, app_cert_sn, load_certificate
from payments.alipay.encryption import decrypted, encrypted
from payments.alipay.envelope import Node, read_answer
from payments.alipay.keys import Credentials, load_private_key
from payments.alipay.notices import read_form, verified
from payments.alipay.signing import request_text, sign, verifies
from payments.sandbox.identity import Identity, identity_in
from payments.sandbox.notices import announce, signed_notice
from tests.sandbox.conftest import NOW, offer, open_alipay, params_of, refusal


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"app_id": "9999"}, "isv.invalid-app-id"),
        ({"sign": "QUJD"}, "isv.invalid-signature"),
        ({"timestamp": "2026-01-01 00:00:00"}, "isv.invalid-signature"),
        ({"sign_type": "RSA"}, "isv.invalid-signature"),
        ({"method": ""}, "isv.missing-method"),
    ],
)
def test_a_request_that_is_not_genuine_is_refused_unsigned(alipay, who, change, sub_code):
    signed = requests.signed(requests.query("A1"), who=who, at=NOW)
    params = {**dict(parse_qsl(f"{signed.query}&{signed.body}")), **change}

    body = alipay.answer(params, NOW)
    assert refusal(body) == sub_code
    assert "sign" not in json.loads(body)


def test_answers_escape_slashes_and_keep_chinese(ask):
    body = ask(offer())

    assert "http:\\/\\/a\\/qr" in body
    assert body.startswith('{"alipay_trade_precreate_response":{"code":"10000","msg":"Success"')


def test_a_request_may_carry_what_alipay_does_not_know(alipay, who):
    signed = requests.signed(requests.query("A1"), who=who, at=NOW)
    params = {**dict(parse_qsl(f"{signed.query}&{signed.body}")), "alipay_sdk": "some-sdk 1.0", "prod_code": "x"}
    params["sign"] = sign(request_text(params).encode(), who.app_key)

    assert refusal(alipay.answer(params, NOW)) == "ACQ.TRADE_NOT_EXIST"


def test_without_a_charset_all_is_gbk_and_so_are_the_notices(alipay, who):
    request = offer()
    params = {name: value for name, value in params_of(request, who).items() if name not in ("charset", "sign")}
    params["sign"] = sign(request_text(params).encode("gbk"), who.app_key)

    body = alipay.answer(params, NOW).encode("gbk")
    assert isinstance(read_answer(body, method=request.method, who=who, charset="gbk"), Node)
    alipay.pay(alipay.book.trades["A1"], NOW)
    (delivery,) = announce(alipay, NOW)
    sent = urlencode(signed_notice(alipay, delivery.fields, NOW), encoding="gbk").encode()
    assert verified(read_form(sent), who.alipay_keys).get("subject") == "龙井"


def test_answers_come_with_the_code_first_or_in_alphabetical_order(identity, who):
    def names(order: str) -> list[str]:
        alipay = open_alipay(identity[0], order=order)
        return list(json.loads(alipay.answer(params_of(offer(), who), NOW))["alipay_trade_precreate_response"])

    assert names("first") == ["code", "msg", "out_trade_no", "qr_code"]
    assert names("alphabetical") == sorted(names("first"))


def test_a_business_refusal_is_signed_under_the_methods_own_node(ask, who):
    body = ask(requests.query("A1"))

    answer = json.loads(body)
    assert list(answer) == ["alipay_trade_query_response", "sign"]
    assert answer["alipay_trade_query_response"]["receipt_amount"] == "0.00"
    assert read_answer(body.encode(), method="alipay.trade.query", who=who).is_signed


def test_encrypted_contents_are_read_and_answered_in_kind(identity, alipay, who):
    key = identity[0].aes_key
    params = params_of(offer(), who) | {"encrypt_type": "AES"}
    params["biz_content"] = encrypted(params["biz_content"], key)
    params["sign"] = sign(request_text(params).encode(), who.app_key)

    answer = json.loads(alipay.answer(params, NOW))
    node = answer["alipay_trade_precreate_response"]
    assert verifies(f'"{node}"'.encode(), answer["sign"], who.alipay_keys)
    assert json.loads(decrypted(node, key))["qr_code"].startswith("http")

    params["biz_content"] = "bm9uc2Vuc2U="
    params["sign"] = sign(request_text(params).encode(), who.app_key)
    assert refusal(alipay.answer(params, NOW)) == "isv.invalid-encrypt"


@pytest.fixture
def certified(tmp_path) -> Identity:
    return identity_in(tmp_path, random.Random(1), certificate_mode=True)


def test_certificate_mode_puts_its_number_between_node_and_sign(certified, tmp_path):
    assert certified.certificates is not None
    key = load_private_key((tmp_path / "app_private_key.pem").read_text())
    theirs = load_certificate((tmp_path / "alipayCertPublicKey_RSA2.crt").read_text())
    who = Credentials(certified.app_id, certified.seller_id, key, (theirs.public_key,))
    alipay = open_alipay(certified)
    numbers = {
        "app_cert_sn": app_cert_sn((tmp_path / f"appCertPublicKey_{certified.app_id}.crt").read_text()),
        "alipay_root_cert_sn": alipay_root_cert_sn((tmp_path / "alipayRootCert.crt").read_text()),
    }

    def answered(**changes: str) -> str:
        params = {**params_of(offer(), who), **numbers, **changes}
        params["sign"] = sign(request_text(params).encode(), key)
        return alipay.answer(params, NOW)

    body = answered()
    assert list(json.loads(body)) == ["alipay_trade_precreate_response", "alipay_cert_sn", "sign"]
    assert json.loads(body)["alipay_cert_sn"] == theirs.sn
    assert read_answer(body.encode(), method="alipay.trade.precreate", who=who).is_signed
    assert refusal(answered(app_cert_sn="")) == "isv.missing-app-cert-sn"
    assert refusal(answered(app_cert_sn="0" * 32)) == "isv.app-cert-not-exist"
    assert refusal(answered(alipay_root_cert_sn="0" * 32)) == "isv.invalid-alipay-root-cert-sn"


def test_the_root_file_holds_a_root_of_another_kind(certified, tmp_path):
    assert certified.certificates is not None
    assert (tmp_path / "alipayRootCert.crt").read_text().count("BEGIN CERTIFICATE") == 2
    assert "_" not in certified.certificates.root_cert_sn


def test_the_folder_is_read_again_at_the_next_start(certified, tmp_path):
    again = identity_in(tmp_path, random.Random(2), certificate_mode=True)

    assert (again.app_id, again.certificates, again.aes_key) == (
        certified.app_id, certified.certificates, certified.aes_key,
    )  # fmt: skip
