"""What is, and every legal change of it."""

from payments.models.api_client import ApiClient, ApiKey
from payments.models.audit import AuditEvent, AuditSeal
from payments.models.bill import BillDay, BillFile, BillPart
from payments.models.books_check import BooksCheck
from payments.models.case import Case, CaseEvent
from payments.models.duty import Duty
from payments.models.ledger import Account, Transfer
from payments.models.merchant import AlipayKey, MerchantAccount
from payments.models.messages import GatewayCall, IdempotencyRecord, InboundMessage, OutboxMessage
from payments.models.order import Order, OrderLine
from payments.models.passkey import Passkey
from payments.models.people import User
from payments.models.refund import Refund
from payments.models.refund_batch import RefundBatch, RefundBatchItem
from payments.models.second_factor import CodeApp, RecoveryCode
from payments.models.staff_day import StaffDay
from payments.models.statement import Difference, StatementLine
from payments.models.transaction import Transaction
from payments.models.webhook import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookKind, WebhookTry

__all__ = [
    "Account", "AlipayKey", "ApiClient", "ApiKey", "AuditEvent", "AuditSeal", "BillDay", "BillFile", "BillPart",
    "BooksCheck", "Case", "CaseEvent", "CodeApp", "Difference", "Duty", "GatewayCall", "IdempotencyRecord",
    "InboundMessage", "MerchantAccount", "Order", "OrderLine", "OutboxMessage", "Passkey", "RecoveryCode", "Refund",
    "RefundBatch", "RefundBatchItem", "StaffDay", "StatementLine", "Transaction", "Transfer", "User", "WebhookDelivery",
    "WebhookEndpoint", "WebhookEvent", "WebhookKind", "WebhookTry",
]  # fmt: skip
