import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from payments.alipay.answers import (
    read_bill_link,
    read_cancel,
    read_close,
    read_create,
    read_pay,
    read_precreate,
    read_query,
    read_refund,
    read_refund_query,
)
from payments.alipay.facts import BankStatus, BillLink, DepositBack, Refunded, TradeStatus
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import (
    BILL_LINK,
    CANCEL,
    CLOSE,
    CREATE,
    PAY,
    PRECREATE,
    QUERY,
    REFUND,
    REFUND_QUERY,
    CertainlyNot,
    Done,
    Next,
    Unknown,
)
from payments.alipay.signing import sign
from payments.money import Money
from tests.conftest import beijing

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WHO = Credentials("2021000000000001", "2088000000000001", KEY, (KEY.public_key(),))
PAID = {
    "code": "10000", "msg": "Success", "out_trade_no": "A1", "trade_no": "2026", "trade_status": "TRADE_SUCCESS",
    "total_amount": "88.80", "receipt_amount": "80.00", "send_pay_date": "2026-11-22 14:32:10",
}  # fmt: skip
READERS: dict[str, Callable[..., Any]] = {
    PRECREATE: read_precreate, QUERY: read_query, CLOSE: read_close, REFUND: read_refund, CANCEL: read_cancel,
    REFUND_QUERY: partial(read_refund_query, out_request_no="R1", amount=Money(100)),
    PAY: partial(read_pay, total=Money(8880)), CREATE: read_create,
}  # fmt: skip


def body(method: str, is_signed: bool = True, /, **fields: str) -> bytes:
    node = json.dumps(fields, ensure_ascii=False)
    signature = f',"sign":"{sign(node.encode(), KEY)}"' if is_signed else ""
    return f'{{"{method.replace(".", "_")}_response":{node}{signature}}}'.encode()


def failed(method: str, code: str, sub_code: str, *, is_signed: bool = True):
    return READERS[method](body(method, is_signed, code=code, sub_code=sub_code), who=WHO, out_trade_no="A1")


def test_a_paid_trade_becomes_facts():
    result = read_query(body(QUERY, **PAID), who=WHO, out_trade_no="A1")

    assert isinstance(result, Done)
    facts = result.answer
    assert (facts.status, facts.total, facts.receipt) == (TradeStatus.PAID, Money(8880), Money(8000))
    assert (facts.app_id, facts.seller_id, facts.trade_no) == (WHO.app_id, WHO.seller_id, "2026")
    assert facts.paid_at == beijing("2026-11-22 14:32:10")


@pytest.mark.parametrize("word", ["trade_success", "PAID", "", "ABSENT", "UNREADABLE"])
def test_a_status_alipay_does_not_document_is_unreadable(word: str):
    result = read_query(body(QUERY, **{**PAID, "trade_status": word}), who=WHO, out_trade_no="A1")

    assert isinstance(result, Done)
    assert result.answer.status is TradeStatus.UNREADABLE


@pytest.mark.parametrize("number", ["", " ", "2" * 65, "２０２６"])
def test_a_trade_number_that_is_none_makes_nothing_certain(number: str):
    fields = {**PAID, "trade_no": number}

    facts = read_query(body(QUERY, **fields), who=WHO, out_trade_no="A1")
    assert isinstance(facts, Done)
    assert facts.answer.trade_no is None
    cancelled = body(CANCEL, **fields, action="refund", retry_flag="N")
    assert isinstance(read_cancel(cancelled, who=WHO, out_trade_no="A1"), Unknown)
    assert isinstance(read_create(body(CREATE, **fields), who=WHO, out_trade_no="A1"), Unknown)
    assert isinstance(read_pay(body(PAY, **fields), who=WHO, out_trade_no="A1", total=Money(8880)), Unknown)


@pytest.mark.parametrize("code", ["", "https://qr.example/" + "x" * 1024])
def test_a_code_that_cant_be_drawn_is_none(code: str):
    result = read_precreate(body(PRECREATE, **PAID, qr_code=code), who=WHO, out_trade_no="A1")

    assert isinstance(result, Unknown)


@pytest.mark.parametrize("sub_code", ["ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST", "acq.trade-not-exist"])
def test_no_trade_yet_is_a_fact_in_every_spelling(sub_code: str):
    result = failed(QUERY, "40004", sub_code)

    assert isinstance(result, Done)
    assert result.answer.status is TradeStatus.ABSENT


@pytest.mark.parametrize("reader", READERS.values())
def test_an_answer_about_another_number_is_unknown(reader):
    method = next(name for name, each in READERS.items() if each is reader)
    fields = {**PAID, "qr_code": "https://qr", "out_trade_no": "B2"}

    assert isinstance(reader(body(method, **fields), who=WHO, out_trade_no="A1"), Unknown)


@pytest.mark.parametrize("method", READERS)
@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("40004", "ACQ.SYSTEM_ERROR"), ("40004", "AQC.SYSTEM_ERROR"), ("40004", "ACQ.SOMETHING_NEW"), ("40004", ""),
        ("20000", "isp.unknow-error"), ("40005", "isv.app-call-limited"), ("99999", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_whatever_is_not_in_the_table_is_unknown(method: str, code: str, sub_code: str):
    assert isinstance(failed(method, code, sub_code), Unknown)


@pytest.mark.parametrize("code", ["40001", "40002", "40003", "40006"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_a_refused_request_is_certain_even_without_a_signature(code: str, is_signed: bool):
    result = failed(PRECREATE, code, "isv.invalid-app-id", is_signed=is_signed)

    assert result == CertainlyNot(code, "INVALID_APP_ID", Next.ALERT)


def test_a_business_failure_without_a_signature_is_unknown():
    assert isinstance(failed(CLOSE, "40004", "ACQ.TRADE_NOT_EXIST", is_signed=False), Unknown)


def test_a_code_to_draw_is_needed():
    assert read_precreate(
        body(PRECREATE, code="10000", out_trade_no="A1", qr_code="https://q"), who=WHO, out_trade_no="A1"
    ) == Done("https://q")
    assert isinstance(
        read_precreate(body(PRECREATE, code="10000", out_trade_no="A1"), who=WHO, out_trade_no="A1"), Unknown
    )


@pytest.mark.parametrize("lacking", ["out_request_no", "out_trade_no", "refund_status", "refund_amount"])
def test_a_refund_is_not_done_while_any_proof_is_missing(lacking: str):
    fields = {
        "code": "10000", "out_trade_no": "A1", "out_request_no": "R1", "refund_status": "REFUND_SUCCESS",
        "refund_amount": "1.00", "trade_no": "2026",
    }  # fmt: skip
    read = READERS[REFUND_QUERY]

    assert read(body(REFUND_QUERY, **fields), who=WHO, out_trade_no="A1") == Done(Refunded("2026", Money(100), None))
    del fields[lacking]
    assert isinstance(read(body(REFUND_QUERY, **fields), who=WHO, out_trade_no="A1"), Unknown)


@pytest.mark.parametrize("answer", [{"retry_flag": "Y", "action": "close"}, {"retry_flag": "N"}])
def test_a_cancel_that_names_no_action_or_wants_a_repeat_is_unknown(answer: dict[str, str]):
    fields = {"code": "10000", "out_trade_no": "A1", **answer}

    assert isinstance(read_cancel(body(CANCEL, **fields), who=WHO, out_trade_no="A1"), Unknown)


def test_a_payment_by_barcode_names_its_trade():
    fields = {"code": "10000", "out_trade_no": "A1", "trade_no": "2026", "total_amount": "88.80"}
    read = READERS[PAY]

    assert read(body(PAY, **fields), who=WHO, out_trade_no="A1") == Done("2026")
    assert isinstance(read(body(PAY, **{**fields, "trade_no": ""}), who=WHO, out_trade_no="A1"), Unknown)


@pytest.mark.rows("D11")
def test_a_payment_of_another_amount_is_not_believed_and_alerts():
    fields = {"code": "10000", "out_trade_no": "A1", "trade_no": "2026", "total_amount": "0.01"}

    result = READERS[PAY](body(PAY, **fields), who=WHO, out_trade_no="A1")

    assert isinstance(result, Unknown)
    assert result.next is Next.ALERT


def test_a_buyer_who_must_type_a_password_is_waited_for():
    result = READERS[PAY](
        body(PAY, code="10003", msg="order success pay inprocess", out_trade_no="A1"), who=WHO, out_trade_no="A1"
    )

    assert isinstance(result, Unknown)
    assert result.next is Next.WAIT


def test_a_trade_made_for_alipays_own_cashier_names_its_number():
    fields = {"code": "10000", "out_trade_no": "A1"}

    assert read_create(body(CREATE, **fields, trade_no="2026"), who=WHO, out_trade_no="A1") == Done("2026")
    assert isinstance(read_create(body(CREATE, **fields), who=WHO, out_trade_no="A1"), Unknown)


def link(**fields: str):
    return read_bill_link(body(BILL_LINK, **fields), who=WHO)


def test_a_bill_is_there_empty_or_missing():
    url = "https://dwbillcenter.alipay.com/downloadBillFile.resource?x=1"

    assert link(code="10000", bill_download_url=url) == Done(BillLink(url, is_empty=False))
    assert link(code="10000", bill_download_url=url, bill_file_code="EMPTY_DATA_WITH_BILL_FILE") == Done(
        BillLink(url, is_empty=True)
    )
    assert link(code="40004", sub_code="NO_BILL_DATA") == Done(BillLink("", is_empty=True))
    assert link(code="40004", sub_code="isp.bill_not_exist") == CertainlyNot("40004", "BILL_NOT_EXIST", Next.WAIT)
    assert isinstance(link(code="10000"), Unknown)


def test_a_link_never_shows_in_words_about_it():
    assert "secret" not in repr(Done(BillLink("https://x/?secret", is_empty=False)))


def test_how_far_a_refund_is_on_its_way_to_a_bank_card():
    fields: dict[str, Any] = {
        "code": "10000", "out_trade_no": "A1", "out_request_no": "R1", "refund_status": "REFUND_SUCCESS",
        "refund_amount": "1.00", "trade_no": "2026",
        "deposit_back_info": {
            "dback_status": "P", "dback_amount": "1.00", "bank_ack_time": "2026-11-22 14:32:10",
            "est_bank_receipt_time": "2026-11-24 00:00:00",
        },
    }  # fmt: skip

    result = READERS[REFUND_QUERY](body(REFUND_QUERY, **fields), who=WHO, out_trade_no="A1")

    assert result.answer.deposit_back == DepositBack(
        "A1",
        "R1",
        "2026",
        BankStatus.UNDER_WAY,
        Money(100),
        beijing("2026-11-22 14:32:10"),
        beijing("2026-11-24 00:00:00"),
    )


@pytest.mark.rows("D10", "F40")
@pytest.mark.parametrize("method", READERS)
@pytest.mark.parametrize("how", ["unsigned", "signed by another", "signed for another method"])
def test_an_answer_that_is_not_alipays_about_this_is_unknown(method: str, how: str):
    fields = {"code": "10000", "out_trade_no": "A1", "trade_no": "2026", "qr_code": "https://q", "fund_change": "Y",
              "action": "close", "trade_status": "TRADE_SUCCESS", "total_amount": "88.80", "out_request_no": "R1",
              "refund_status": "REFUND_SUCCESS", "refund_amount": "1.00"}  # fmt: skip
    answers = {
        "unsigned": body(method, False, **fields),
        "signed by another": body(method, **fields).replace(b'"sign":"', b'"sign":"AAAA'),
        "signed for another method": body("alipay.user.info.share", **fields),
    }
    assert isinstance(READERS[method](body(method, **fields), who=WHO, out_trade_no="A1"), Done)

    result = READERS[method](answers[how], who=WHO, out_trade_no="A1")

    assert isinstance(result, Unknown)
    assert result.next is (Next.ASK if how == "signed for another method" else Next.ALERT)
