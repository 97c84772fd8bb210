"""What a code of Alipay's means for the one who called: done, certainly not, or unknown, and what to do next.

One table for all methods; a code it does not hold is unknown, never failed. Source: dossier 1.10 and 2.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from payments.alipay.envelope import Node

Answer = TypeVar("Answer")


class Next(StrEnum):
    """What the caller does about a certain no, and about not knowing."""

    ASK = "ask"  # the trade has moved on: query it before anything else
    WAIT = "wait"  # no trade or file exists (yet), or the buyer must confirm first: keep watching it
    NEW_NUMBER = "new_number"  # this out_trade_no is used up: query it, then start another attempt
    REPEAT = "repeat"  # nothing happened: the same request with the same numbers again, later
    TOP_UP = "top_up"  # the merchant's balance is too low: a person tops it up, then the same request again
    BY_HAND = "by_hand"  # never through this call: a person pays back another way
    TELL_BUYER = "tell_buyer"  # the buyer can change it
    BACK_OFF = "back_off"  # we ask too often: a pause of a minute or more, then the same again
    STOP = "stop"  # nothing is there and never will be
    ALERT = "alert"  # our configuration, contract or code, or somebody who is not Alipay: a person must look


@dataclass(frozen=True, slots=True)
class Done(Generic[Answer]):
    """Alipay says it happened."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class CertainlyNot:
    """Alipay says this call did nothing, and we know why. It says nothing of an earlier call with the same number."""

    code: str
    sub_code: str
    next: Next


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened. Only a query or the bill ends this, with the same number."""

    why: str
    next: Next = Next.ASK


# Refusals of the request itself: believed even without a signature, for the gateway signs none of them.
REQUEST_REFUSED = frozenset({"40001", "40002", "40003", "40006"})
OUR_FAULT = REQUEST_REFUSED | {"20001"}  # our keys, rights or code: it says nothing of the trade or refund at hand
PRECREATE, PAY, CREATE = "alipay.trade.precreate", "alipay.trade.pay", "alipay.trade.create"
QUERY, CLOSE, CANCEL = "alipay.trade.query", "alipay.trade.close", "alipay.trade.cancel"
REFUND, REFUND_QUERY = "alipay.trade.refund", "alipay.trade.fastpay.refund.query"
BILL_LINK = "alipay.data.dataservice.bill.downloadurl.query"
_BUYER = (
    "BUYER_SELLER_EQUAL", "TRADE_BUYER_NOT_MATCH", "BUYER_ENABLE_STATUS_FORBID", "BUYER_NOT_EXIST",
    "BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR", "ERROR_BUYER_CERTIFY_LEVEL_LIMIT",
)  # fmt: skip
_MERCHANT = (
    "INVALID_PARAMETER", "ACCESS_FORBIDDEN", "EXIST_FORBIDDEN_WORD", "PARTNER_ERROR", "TOTAL_FEE_EXCEED",
    "BEYOND_PAY_RESTRICTION", "BEYOND_PER_RECEIPT_RESTRICTION", "BEYOND_PER_RECEIPT_DAY_RESTRICTION",
    "BEYOND_PER_RECEIPT_SINGLE_RESTRICTION", "MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT",
    "MERCHANT_PERM_RECEIPT_SINGLE_LIMIT", "MERCHANT_PERM_RECEIPT_DAY_LIMIT", "SELLER_BEEN_BLOCKED", "SELLER_NOT_EXIST",
    "INVALID_RECEIVE_ACCOUNT", "MERCHANT_STATUS_NOT_NORMAL", "SUB_GOODS_SIZE_MAX_COUNT", "INVALID_STORE_ID",
    "TRADE_SETTLE_ERROR", "DEFAULT_SETTLE_RULE_NOT_EXIST", "RISK_MERCHANT_IP_NOT_EXIST",
)  # fmt: skip
_NO_REFUND = (
    "TRADE_HAS_FINISHED", "TRADE_NOT_ALLOW_REFUND", "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND", "NOT_ALLOW_PARTIAL_REFUND",
    "BUYER_NOT_EXIST", "BUYER_ENABLE_STATUS_FORBID", "BUYER_ERROR", "USER_NOT_MATCH_ERR",
)  # fmt: skip
_REFUND_BLOCKED = (
    "INVALID_PARAMETER", "CURRENCY_NOT_SUPPORT", "TRADE_NOT_EXIST", "DISCORDANT_REPEAT_REQUEST", "REFUND_FEE_ERROR",
    "REASON_TRADE_BEEN_FREEZEN", "CUSTOMER_VALIDATE_ERROR", "ENTERPRISE_PAY_BIZ_ERROR", "TRADE_SETTLE_ERROR",
    "ALLOC_AMOUNT_VALIDATE_ERROR", "REFUNDALLOC_UNAUTH_LIMIT", "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST",
    "REFUND_ACCOUNT_NOT_EXIST",
)  # fmt: skip
_REFUND_MOVED_ON = (
    "TRADE_STATUS_ERROR", "REASON_TRADE_STATUS_INVALID", "TRADE_HAS_CLOSE", "REFUND_AMT_NOT_EQUAL_TOTAL",
    "REASON_TRADE_REFUND_FEE_ERR",
)  # fmt: skip
_NEW_TRADE: dict[str, Next] = {
    **dict.fromkeys(_BUYER, Next.TELL_BUYER),
    **dict.fromkeys(_MERCHANT, Next.ALERT),
    "TRADE_HAS_SUCCESS": Next.ASK,
    "CONTEXT_INCONSISTENT": Next.NEW_NUMBER,
    "TRADE_HAS_CLOSE": Next.NEW_NUMBER,
    "APPLY_PC_MERCHANT_CODE_ERROR": Next.NEW_NUMBER,
    "NOW_TIME_AFTER_EXPIRE_TIME_ERROR": Next.NEW_NUMBER,
}
_AT_THE_COUNTER = (
    "PAYMENT_AUTH_CODE_INVALID", "BUYER_BALANCE_NOT_ENOUGH", "BUYER_BANKCARD_BALANCE_NOT_ENOUGH",
    "ERROR_BALANCE_PAYMENT_DISABLE", "NO_PAYMENT_INSTRUMENTS_AVAILABLE", "PULL_MOBILE_CASHIER_FAIL",
    "MOBILE_PAYMENT_SWITCH_OFF", "USER_FACE_PAYMENT_SWITCH_OFF", "PAYMENT_REQUEST_HAS_RISK",
)  # fmt: skip
# What a signed 40004 says with certainty, by method. A code ending in "*" stands for all that begin so.
CERTAIN: dict[str, dict[str, Next]] = {
    PRECREATE: {**_NEW_TRADE, "SECONDARY_MERCHANT_*": Next.ALERT},
    CREATE: {**_NEW_TRADE, "SECONDARY_MERCHANT_*": Next.ALERT},
    PAY: {
        **_NEW_TRADE,
        **dict.fromkeys(_AT_THE_COUNTER, Next.TELL_BUYER),
        "SECONDARY_MERCHANT_*": Next.ALERT,
        "PRODUCT_AMOUNT_LIMIT_ERROR": Next.ALERT,
        "REQUEST_AMOUNT_EXCEED": Next.ALERT,
        "PAYMENT_FAIL": Next.NEW_NUMBER,
        "TRADE_STATUS_ERROR": Next.ASK,
    },
    QUERY: {
        "TRADE_NOT_EXIST": Next.WAIT,
        "INVALID_PARAMETER": Next.ALERT,
        "ENTERPRISE_PAY_BIZ_ERROR": Next.ALERT,
    },
    CLOSE: {
        "TRADE_NOT_EXIST": Next.WAIT,
        "TRADE_STATUS_ERROR": Next.ASK,
        "REASON_TRADE_STATUS_INVALID": Next.ASK,
        "REASON_ILLEGAL_STATUS": Next.ASK,
        "INVALID_PARAMETER": Next.ALERT,
    },
    REFUND: {
        **dict.fromkeys(_NO_REFUND, Next.BY_HAND),
        **dict.fromkeys(_REFUND_BLOCKED, Next.ALERT),
        **dict.fromkeys(_REFUND_MOVED_ON, Next.ASK),
        "SELLER_BALANCE_NOT_ENOUGH": Next.TOP_UP,
        "REFUND_CHARGE_ERROR": Next.REPEAT,
        "OVERDRAFT_*": Next.ALERT,
    },
    REFUND_QUERY: {
        "TRADE_NOT_EXIST": Next.ALERT,
        "INVALID_PARAMETER": Next.ALERT,
        "ENTERPRISE_PAY_BIZ_ERROR": Next.ALERT,
    },
    CANCEL: {
        "SELLER_BALANCE_NOT_ENOUGH": Next.TOP_UP,
        "REASON_TRADE_BEEN_FREEZEN": Next.ALERT,
        "TRADE_HAS_FINISHED": Next.ALERT,
        "TRADE_CANCEL_TIME_OUT": Next.ASK,
        "REASON_TRADE_REFUND_FEE_ERR": Next.ASK,
        "CANCEL_NOT_ALLOWED": Next.ASK,
        "INVALID_PARAMETER": Next.ALERT,
    },
    BILL_LINK: {
        "BILL_NOT_EXIST": Next.WAIT,  # not made yet, or no business that day
        "INVAILID_ARGUMENTS": Next.ALERT,  # as the page spells it
        "INVALID_ARGUMENTS": Next.ALERT,  # as it comes
        "BILL_DATE_BEFORE_REGISTRATION": Next.STOP,
        "TYPE_NOT_SUPPORTED": Next.ALERT,
    },
}
# What a 40004 leaves open, for every method; and where a method has its own way out of it.
DOUBTFUL: dict[str, Next] = {
    "SYSTEM_ERROR": Next.ASK,
    "UNKNOWN_ERROR": Next.ASK,
    "UNKNOW_ERROR": Next.ASK,
    "SYSTEM_RATE_LIMIT": Next.BACK_OFF,
    "USER_RATE_LIMIT": Next.BACK_OFF,
    "APP_CALL_LIMITED": Next.BACK_OFF,
    "METHOD_CALL_LIMITED": Next.BACK_OFF,
}
DOUBTFUL_FOR: dict[str, dict[str, Next]] = {
    CANCEL: {"SYSTEM_ERROR": Next.REPEAT},
    QUERY: {"SYSTEM_ERROR": Next.REPEAT},
    REFUND_QUERY: {"SYSTEM_ERROR": Next.REPEAT},
    BILL_LINK: {"SYSTEM_ERROR": Next.REPEAT, "UNKNOWN_ERROR": Next.REPEAT},
}
_PREFIXES = ("ACQ.", "AQC.", "ISV.", "ISP.", "AOP.")


def normalised(sub_code: str) -> str:
    """A sub_code in the one spelling of the table: upper case, no prefix, underscores.

    Alipay writes "ACQ.", "AQC.", "isv.", "isp." or nothing in front, and "-" or "_" between the words.
    """
    code = sub_code.strip().upper().replace("-", "_")
    for prefix in _PREFIXES:
        code = code.removeprefix(prefix)
    return code


def refusal(node: Node, *, method: str) -> CertainlyNot | Unknown | None:
    """None when the node says success; else what its code means to a caller of this method."""
    code, sub_code = node.text("code"), normalised(node.text("sub_code"))
    if node.is_signed and code == "10000":
        return None
    if code in REQUEST_REFUSED or (node.is_signed and code in OUR_FAULT):
        return CertainlyNot(code, sub_code, Next.ALERT)
    if node.is_signed and code == "40004" and (certain := _certain(method, sub_code)):
        return CertainlyNot(code, sub_code, certain)
    why = f"{code} {sub_code}".strip() + ("" if node.is_signed else " (unsigned)")
    return Unknown(why, _way_out(method, code, sub_code))


def _certain(method: str, sub_code: str) -> Next | None:
    table = CERTAIN[method]
    begins = (following for known, following in table.items() if known[-1] == "*" and sub_code.startswith(known[:-1]))
    return table.get(sub_code) or next(begins, None)


def _way_out(method: str, code: str, sub_code: str) -> Next:
    """What ends not knowing; a code that no table holds is asked about like a time-out."""
    if code == "10003":
        return Next.WAIT
    if code == "40005":
        return Next.BACK_OFF
    return DOUBTFUL_FOR.get(method, {}).get(sub_code) or DOUBTFUL.get(sub_code, Next.ASK)
