"""Secrets and personal values never reach a log, whichever way they try."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from config.logs import HIDDEN, configure_logging, hide
from payments.models import Transaction
from payments.services.attempt_requests import pay_address
from payments.services.start_payment import start_payment

PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE,
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDZs8dQkfTHhR2rCzR0kqTq4Yd4mGz2CqZ4cU1bQ7h0dQ==",
        "https://openapi.alipay.com/gateway.do?app_id=1&sign=abc%2Bdef%3D&version=1.0",
        "biz_content=%7B%22auth_code%22%3A%22281234567890123456%22%7D",
        "http://dwbillcenter.alipay.com/downloadBillFile.resource?bizType=trade&userId=2088",
        "auth code 281234567890123456",
        "GET /pay/AbCdEfGhIjKlMnOpQrStUvWxYz012345/ 200",
        "postgres://app:hunter2@db/shop",
        "lin.wei@example.com",
        "13800138000",
    ],
)
def test_a_secret_inside_a_text_is_hidden(text: str):
    assert HIDDEN in hide(text)


@pytest.mark.parametrize(
    "text", ["order 2026112212345678 paid", "trade 2026112222001126528918014191", "¥88.80", "2088123456789012"]
)
def test_numbers_people_need_stay_readable(text: str):
    assert hide(text) == text


@pytest.mark.parametrize(
    "name", ["sign", "token", "password", "app_private_key", "auth_code", "Authorization", "qr_code"]
)
def test_a_value_with_a_secret_name_is_hidden_at_any_depth(name: str):
    assert hide({"a": [{name: "x"}]}) == {"a": [{name: HIDDEN}]}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, as production writes it."""
    configure_logging(json_lines=True, level="INFO")
    written = io.StringIO()
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def test_both_kinds_of_loggers_write_json_without_secrets(lines):
    structlog.get_logger("a").warning("refused", token="t0ken", why=f"bad key {PRIVATE}")
    logging.getLogger("b").warning("sign=%s", "c2lnbg")
    try:
        raise ValueError(f"cannot parse {PRIVATE}")
    except ValueError:
        logging.getLogger("c").exception("broke")

    written = lines.getvalue()
    assert [json.loads(line)["logger"] for line in written.splitlines()] == ["a", "b", "c"]
    assert not any(secret in written for secret in ("t0ken", "MIIEv", "c2lnbg"))


@pytest.mark.rows("N26")
def test_line_breaks_in_a_value_stay_one_line(lines):
    structlog.get_logger("a").warning("refused", reason="x\r\n\x1b[31mINFO forged")

    assert len(lines.getvalue().splitlines()) == 1


def test_a_whole_payment_leaves_no_secret_in_the_log(lines, connected, make_order, client, says, identity):
    order = make_order(contact_email="lin.wei@example.com")
    attempt = start_payment(order, scene=Transaction.Scene.PAGE, actor="test")
    address = pay_address(attempt)
    client.get(f"/pay/{order.token}/")
    client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")
    client.post("/alipay/notify", b"sign=x", content_type="application/x-www-form-urlencoded")

    written = lines.getvalue()
    assert "settled" in written
    secrets = [
        order.token,
        "lin.wei",
        address.split("sign=")[1][:40],
        (identity[1] / "app_private_key.pem").read_text()[40:90],
    ]
    assert not any(secret in written for secret in secrets)
