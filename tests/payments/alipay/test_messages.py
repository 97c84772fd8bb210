import json
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from payments.alipay.facts import BankStatus, DepositBack
from payments.alipay.messages import DEPOSIT_BACK, read_deposit_back, verified_message
from payments.alipay.notices import Notice, read_form
from payments.alipay.signing import notice_text, request_text, sign
from payments.errors import BadSignature, MalformedNotice
from payments.money import Money
from tests.conftest import beijing

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CONTENT = {
    "trade_no": "2026", "out_trade_no": "A1", "out_request_no": "R1", "dback_status": "S", "dback_amount": "1.00",
    "bank_ack_time": "2026-11-22 14:32:10",
}  # fmt: skip
FIELDS = {
    "notify_id": "n1", "utc_timestamp": "1763793130000", "msg_method": DEPOSIT_BACK, "app_id": "2021", "version": "1.1",
    "charset": "utf-8", "sign_type": "RSA2", "biz_content": json.dumps(CONTENT),
}  # fmt: skip


def form(fields: dict[str, str], text: str | None = None) -> Notice:
    text = notice_text(fields, keep_empty=False) if text is None else text
    return read_form(urlencode({**fields, "sign": sign(text.encode(), KEY)}).encode())


@pytest.mark.parametrize("text", [notice_text(FIELDS, keep_empty=False), request_text(FIELDS)], ids=["V1", "V2"])
def test_a_message_tells_that_a_refund_reached_the_bank(text: str):
    message = verified_message(form(FIELDS, text), [KEY.public_key()])

    assert read_deposit_back(message) == DepositBack(
        "A1", "R1", "2026", BankStatus.ARRIVED, Money(100), beijing("2026-11-22 14:32:10")
    )


def test_a_message_without_sign_type_is_verified_with_rsa2():
    fields = {name: value for name, value in FIELDS.items() if name != "sign_type"}

    assert verified_message(form(fields), [KEY.public_key()])


@pytest.mark.parametrize("change", [{"sign_type": "RSA"}, {"biz_content": "{}"}])
def test_a_message_that_was_changed_is_refused(change: dict[str, str]):
    message = form({**FIELDS, **change}, notice_text(FIELDS, keep_empty=False))

    with pytest.raises(BadSignature):
        verified_message(message, [KEY.public_key()])


@pytest.mark.parametrize(
    "change",
    [
        {"msg_method": "alipay.open.app.something"},
        {"biz_content": "<html>"},
        {"biz_content": "[]"},
        {"biz_content": '{"out_trade_no":"A1"}'},
        {"biz_content": '{"out_trade_no":"A1","out_trade_no":"B2","out_request_no":"R1"}'},
        {"biz_content": '{"out_trade_no":1,"out_request_no":"R1"}'},
    ],
)
def test_a_message_we_cannot_read_is_malformed(change: dict[str, str]):
    with pytest.raises(MalformedNotice):
        read_deposit_back(form({**FIELDS, **change}))


def test_an_unknown_word_for_the_state_is_unreadable():
    content = json.dumps({**CONTENT, "dback_status": "X"})

    assert read_deposit_back(form({**FIELDS, "biz_content": content})).status is BankStatus.UNREADABLE
