"""What a code of Alipay's means for the one who called: done, certainly not, or unknown, and what to do next.

One table for all methods; a code it does not hold is unknown, never failed. Source: dossier 1.10 and 2.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from payments.alipay.envelope import Node

Answer = TypeVar("Answer")


class Next(StrEnum):
    """What the caller does about a certain no."""

    ASK = "ask"  # the trade has moved on: query it before anything else
    WAIT = "wait"  # no trade exists (yet): keep watching it
    NEW_NUMBER = "new_number"  # this out_trade_no is used up: query it, then start another attempt
    REPEAT = "repeat"  # nothing happened: the same request with the same numbers again, later
    TOP_UP = "top_up"  # the merchant's balance is too low: a person tops it up, then the same request again
    BY_HAND = "by_hand"  # never through this call: a person pays back another way
    TELL_BUYER = "tell_buyer"  # the buyer can change it
    ALERT = "alert"  # our configuration, contract or code: a person must look


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


# Refusals of the request itself: believed even without a signature, for the gateway signs none of them.
REQUEST_REFUSED = frozenset({"40001", "40002", "40003", "40006"})
PRECREATE, QUERY, CLOSE = "alipay.trade.precreate", "alipay.trade.query", "alipay.trade.close"
REFUND, REFUND_QUERY = "alipay.trade.refund", "alipay.trade.fastpay.refund.query"
CANCEL = "alipay.trade.cancel"
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
CERTAIN: dict[str, dict[str, Next]] = {
    PRECREATE: {
        **dict.fromkeys(_BUYER, Next.TELL_BUYER),
        **dict.fromkeys(_MERCHANT, Next.ALERT),
        "TRADE_HAS_SUCCESS": Next.ASK,
        "CONTEXT_INCONSISTENT": Next.NEW_NUMBER,
        "TRADE_HAS_CLOSE": Next.NEW_NUMBER,
        "APPLY_PC_MERCHANT_CODE_ERROR": Next.NEW_NUMBER,
        "NOW_TIME_AFTER_EXPIRE_TIME_ERROR": Next.NEW_NUMBER,
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
}


def normalised(sub_code: str) -> str:
    """A sub_code in the one spelling of the table: upper case, no prefix, underscores.

    Alipay writes "ACQ.", "AQC.", "isv.", "isp." or nothing in front, and "-" or "_" between the words.
    """
    code = sub_code.upper().replace("-", "_")
    for prefix in ("ACQ.", "AQC.", "ISV.", "ISP.", "AOP."):
        code = code.removeprefix(prefix)
    return code


def refusal(node: Node, *, method: str) -> CertainlyNot | Unknown | None:
    """None when the node says success; else what its code means to a caller of this method."""
    code, sub_code = node.text("code"), normalised(node.text("sub_code"))
    if node.is_signed and code == "10000":
        return None
    if code in REQUEST_REFUSED:
        return CertainlyNot(code, sub_code, Next.ALERT)
    if node.is_signed and code == "40004" and sub_code in CERTAIN[method]:
        return CertainlyNot(code, sub_code, CERTAIN[method][sub_code])
    return Unknown(f"{code} {sub_code}".strip() + ("" if node.is_signed else " (unsigned)"))
