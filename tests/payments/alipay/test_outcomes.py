"""Every code of the dossier, method by method: what it means and what the caller does."""

import pytest

from payments.alipay.envelope import Node
from payments.alipay.outcomes import (
    BILL_LINK,
    CANCEL,
    CERTAIN,
    CLOSE,
    CREATE,
    OUR_FAULT,
    PAY,
    PRECREATE,
    QUERY,
    REFUND,
    REFUND_QUERY,
    REQUEST_REFUSED,
    CertainlyNot,
    Next,
    Unknown,
    normalised,
    refusal,
)

NEW_TRADE = """
CertainlyNot alert: INVALID_PARAMETER ACCESS_FORBIDDEN EXIST_FORBIDDEN_WORD PARTNER_ERROR TOTAL_FEE_EXCEED BEYOND_PAY_RESTRICTION
    BEYOND_PER_RECEIPT_RESTRICTION BEYOND_PER_RECEIPT_DAY_RESTRICTION BEYOND_PER_RECEIPT_SINGLE_RESTRICTION
    MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT MERCHANT_PERM_RECEIPT_SINGLE_LIMIT MERCHANT_PERM_RECEIPT_DAY_LIMIT SELLER_BEEN_BLOCKED
    SELLER_NOT_EXIST INVALID_RECEIVE_ACCOUNT MERCHANT_STATUS_NOT_NORMAL
    SECONDARY_MERCHANT_STATUS_ERROR SECONDARY_MERCHANT_ID_BLANK
    SUB_GOODS_SIZE_MAX_COUNT INVALID_STORE_ID TRADE_SETTLE_ERROR DEFAULT_SETTLE_RULE_NOT_EXIST RISK_MERCHANT_IP_NOT_EXIST
CertainlyNot tell_buyer: BUYER_SELLER_EQUAL TRADE_BUYER_NOT_MATCH BUYER_ENABLE_STATUS_FORBID BUYER_NOT_EXIST
    BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR ERROR_BUYER_CERTIFY_LEVEL_LIMIT
CertainlyNot ask: TRADE_HAS_SUCCESS
CertainlyNot new_number: CONTEXT_INCONSISTENT TRADE_HAS_CLOSE APPLY_PC_MERCHANT_CODE_ERROR NOW_TIME_AFTER_EXPIRE_TIME_ERROR
Unknown ask: SYSTEM_ERROR
"""
# The dossier's tables once more, written down apart from the code's: sections 2.4 to 2.11.
TABLES = {
    PRECREATE: NEW_TRADE,
    CREATE: NEW_TRADE,
    PAY: NEW_TRADE + """
CertainlyNot tell_buyer: PAYMENT_AUTH_CODE_INVALID BUYER_BALANCE_NOT_ENOUGH BUYER_BANKCARD_BALANCE_NOT_ENOUGH
    ERROR_BALANCE_PAYMENT_DISABLE NO_PAYMENT_INSTRUMENTS_AVAILABLE PULL_MOBILE_CASHIER_FAIL MOBILE_PAYMENT_SWITCH_OFF
    USER_FACE_PAYMENT_SWITCH_OFF PAYMENT_REQUEST_HAS_RISK
CertainlyNot new_number: PAYMENT_FAIL
CertainlyNot ask: TRADE_STATUS_ERROR
CertainlyNot alert: PRODUCT_AMOUNT_LIMIT_ERROR REQUEST_AMOUNT_EXCEED
""",
    QUERY: """
CertainlyNot wait: TRADE_NOT_EXIST
CertainlyNot alert: INVALID_PARAMETER ENTERPRISE_PAY_BIZ_ERROR
Unknown repeat: SYSTEM_ERROR
""",
    CLOSE: """
CertainlyNot wait: TRADE_NOT_EXIST
CertainlyNot ask: TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID REASON_ILLEGAL_STATUS
CertainlyNot alert: INVALID_PARAMETER
Unknown ask: SYSTEM_ERROR
""",
    CANCEL: """
Unknown repeat: SYSTEM_ERROR
CertainlyNot top_up: SELLER_BALANCE_NOT_ENOUGH
CertainlyNot alert: REASON_TRADE_BEEN_FREEZEN TRADE_HAS_FINISHED INVALID_PARAMETER
CertainlyNot ask: TRADE_CANCEL_TIME_OUT REASON_TRADE_REFUND_FEE_ERR CANCEL_NOT_ALLOWED
""",
    REFUND: """
Unknown ask: SYSTEM_ERROR
CertainlyNot top_up: SELLER_BALANCE_NOT_ENOUGH
CertainlyNot repeat: REFUND_CHARGE_ERROR
CertainlyNot by_hand: TRADE_HAS_FINISHED TRADE_NOT_ALLOW_REFUND ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND NOT_ALLOW_PARTIAL_REFUND
    BUYER_NOT_EXIST BUYER_ENABLE_STATUS_FORBID BUYER_ERROR USER_NOT_MATCH_ERR
CertainlyNot ask: REFUND_AMT_NOT_EQUAL_TOTAL REASON_TRADE_REFUND_FEE_ERR TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID
    TRADE_HAS_CLOSE
CertainlyNot alert: DISCORDANT_REPEAT_REQUEST REFUND_FEE_ERROR TRADE_NOT_EXIST REASON_TRADE_BEEN_FREEZEN CUSTOMER_VALIDATE_ERROR
    ENTERPRISE_PAY_BIZ_ERROR TRADE_SETTLE_ERROR OVERDRAFT_AGREEMENT_NOT_MATCH OVERDRAFT_ASSIGN_ACCOUNT_INVALID
    ALLOC_AMOUNT_VALIDATE_ERROR REFUNDALLOC_UNAUTH_LIMIT REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST REFUND_ACCOUNT_NOT_EXIST
    CURRENCY_NOT_SUPPORT INVALID_PARAMETER
""",
    REFUND_QUERY: """
Unknown repeat: SYSTEM_ERROR
CertainlyNot alert: INVALID_PARAMETER TRADE_NOT_EXIST ENTERPRISE_PAY_BIZ_ERROR
""",
    BILL_LINK: """
CertainlyNot wait: BILL_NOT_EXIST
CertainlyNot alert: INVAILID_ARGUMENTS INVALID_ARGUMENTS TYPE_NOT_SUPPORTED
CertainlyNot stop: BILL_DATE_BEFORE_REGISTRATION
Unknown back_off: SYSTEM_RATE_LIMIT USER_RATE_LIMIT
Unknown repeat: UNKNOWN_ERROR
""",
}  # fmt: skip


def rows() -> list[tuple[str, str, str, Next]]:
    found = []
    for method, table in TABLES.items():
        for line in table.replace("\n    ", " ").strip().splitlines():
            if line:
                meaning, codes = line.split(": ")
                kind, following = meaning.split()
                found += [(method, code, kind, Next(following)) for code in codes.split()]
    return found


def said(code: str, sub_code: str, *, is_signed: bool = True) -> Node:
    return Node({"code": code, "msg": "Business Failed", "sub_code": sub_code}, is_signed=is_signed)


SPELLINGS = {
    "ACQ.": lambda code: f"ACQ.{code}",
    "AQC.": lambda code: f"AQC.{code}",
    "isp.": lambda code: f"isp.{code.lower()}",
    "isv.": lambda code: f"isv.{code.lower().replace('_', '-')}",
    "bare": lambda code: code,
}


@pytest.mark.rows("F42")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_code_of_the_dossier_means_what_it_says_there(spelling: str):
    wrong = []
    for method, sub_code, kind, following in rows():
        result = refusal(said("40004", SPELLINGS[spelling](sub_code)), method=method)
        if (type(result).__name__, getattr(result, "next", None)) != (kind, following):
            wrong.append((method, sub_code, result))

    assert wrong == []


@pytest.mark.rows("F42")
def test_the_table_holds_nothing_the_dossier_does_not():
    known = {(method, code) for method, code, *_ in rows()}

    def covers(method: str, code: str) -> bool:
        return any(m == method and (c.startswith(code[:-1]) if code[-1] == "*" else c == code) for m, c in known)

    assert [(method, code) for method in CERTAIN for code in CERTAIN[method] if not covers(method, code)] == []


@pytest.mark.rows("F42")
@pytest.mark.parametrize("method", TABLES)
@pytest.mark.parametrize(
    ("code", "sub_code", "kind", "following"),
    [
        ("10003", "", Unknown, Next.WAIT),
        ("20000", "isp.unknow-error", Unknown, Next.ASK),
        ("20000", "aop.unknow-error", Unknown, Next.ASK),
        ("20001", "aop.invalid-auth-token", CertainlyNot, Next.ALERT),
        ("40001", "isv.missing-method", CertainlyNot, Next.ALERT),
        ("40002", "isv.invalid-signature", CertainlyNot, Next.ALERT),
        ("40003", "isv.missing-signature-config", CertainlyNot, Next.ALERT),
        ("40005", "isv.app-call-limited", Unknown, Next.BACK_OFF),
        ("40006", "isv.insufficient-isv-permissions", CertainlyNot, Next.ALERT),
        ("40004", "ACQ.SOMETHING_NEW", Unknown, Next.ASK),
        ("40004", "", Unknown, Next.ASK),
        ("99999", "", Unknown, Next.ASK),
        ("", "", Unknown, Next.ASK),
    ],
)
def test_the_codes_of_the_gateway_mean_the_same_for_every_method(method, code, sub_code, kind, following):
    result = refusal(said(code, sub_code), method=method)

    assert isinstance(result, kind)
    assert result.next is following


@pytest.mark.parametrize("code", ["10000", "10003", "20000", "20001", "40004", "40005"])
def test_without_a_signature_only_a_refused_request_is_certain(code: str):
    assert isinstance(refusal(said(code, "ACQ.TRADE_NOT_EXIST", is_signed=False), method=CLOSE), Unknown)


@pytest.mark.parametrize("code", sorted(REQUEST_REFUSED))
def test_a_refused_request_is_certain_without_a_signature(code: str):
    assert isinstance(refusal(said(code, "isv.invalid-app-id", is_signed=False), method=CLOSE), CertainlyNot)
    assert code in OUR_FAULT


def test_success_is_no_refusal():
    assert refusal(said("10000", ""), method=QUERY) is None


@pytest.mark.parametrize(
    ("live", "plain"),
    [
        ("AQC.SYSTEM_ERROR", "SYSTEM_ERROR"),
        ("isp.bill_not_exist", "BILL_NOT_EXIST"),
        ("isv.invalid-app-id", "INVALID_APP_ID"),
        ("isv.invalid_arguments", "INVALID_ARGUMENTS"),
        ("TRADE_NOT_EXIST", "TRADE_NOT_EXIST"),
        ("isp.unknow-error", "UNKNOW_ERROR"),
    ],
)
def test_spellings_seen_live_are_one_code(live: str, plain: str):
    assert normalised(live) == plain
