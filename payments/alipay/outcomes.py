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
    REPEAT = "repeat"  # nothing reached Alipay: the same request again, later
    TELL_BUYER = "tell_buyer"  # the buyer can change it
    ALERT = "alert"  # our configuration, contract or code: a person must look


@dataclass(frozen=True, slots=True)
class Done(Generic[Answer]):
    """Alipay says it happened."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class CertainlyNot:
    """Alipay says it did not happen, and we know why."""

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
