"""Payments: started in one of the ways to pay, seen, asked about, closed. What Alipay says is their state."""

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.callers import Caller
from payments.api.fields import CURRENCY, Asked, Told
from payments.api.once import answered_once
from payments.api.orders import found as found_order
from payments.api.orders import visible as visible_orders
from payments.api.problems import Problem, told
from payments.api.view import ApiView
from payments.drawing import draw_svg
from payments.errors import NotPayable, TooLittleTime
from payments.models import Transaction
from payments.models.api_client import Scope
from payments.services import ask, close
from payments.services.start_payment import pay_address, start_payment

Scene = Transaction.Scene
SCENES = [(each.value, each.label) for each in (Scene.QR, Scene.PAGE, Scene.WAP)]


class PaymentAsked(Asked):
    scene = serializers.ChoiceField(
        choices=SCENES,
        help_text="qr: a code to scan; page: Alipay's page on a desktop; wap: Alipay from a phone's browser",
    )
    fresh = serializers.BooleanField(default=False, help_text="leave the present code for a new one")


class PaymentTold(Told):
    number = serializers.CharField(source="out_trade_no")
    trade_no = serializers.CharField(allow_null=True, help_text="Alipay's number, once there is a trade")
    order = serializers.CharField(source="order.number")
    scene = serializers.ChoiceField(choices=Scene.choices)
    state = serializers.ChoiceField(choices=Transaction.State.choices)
    in_doubt = serializers.BooleanField(help_text="Alipay has not given a certain answer; it is being asked")
    superseded = serializers.BooleanField(help_text="replaced by another code, still watched")
    refused = serializers.BooleanField()
    currency = serializers.SerializerMethodField()
    amount_fen = serializers.IntegerField()
    refunded_fen = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    time_expire = serializers.DateTimeField(help_text="payable until")
    scanned_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, attempt: Transaction) -> str:
        return CURRENCY


class WayTold(Told):
    """How the buyer pays it. Empty while Alipay has not given a code: ask again with the same scene."""

    url = serializers.CharField(
        allow_blank=True, help_text="page and wap: open it in the buyer's browser, do not keep it"
    )
    qr_text = serializers.CharField(allow_blank=True, help_text="what to draw as a code")
    qr_svg = serializers.CharField(allow_blank=True, help_text="the code, drawn")


class StartedTold(PaymentTold):
    pay = serializers.SerializerMethodField()

    @extend_schema_field(WayTold)
    def get_pay(self, attempt: Transaction) -> dict[str, str]:
        shown = attempt.state == Transaction.State.PRESENTED
        text = attempt.qr_code if shown else ""
        has_page = shown and attempt.scene in (Scene.PAGE, Scene.WAP)
        return {
            "url": pay_address(attempt) if has_page else "", "qr_text": text, "qr_svg": draw_svg(text) if text else "",
        }  # fmt: skip


def visible(caller: Caller) -> QuerySet[Transaction]:
    """The payments of the orders this caller may know of."""
    return Transaction.objects.filter(order__in=visible_orders(caller)).select_related("order", "account")


def found(caller: Caller, number: str) -> Transaction:
    attempt = visible(caller).filter(out_trade_no=number).first()
    if attempt is None:
        raise Problem("not_found")
    return attempt


class OrderPayments(ApiView):
    read, write = Scope.ORDERS_READ, Scope.PAYMENTS_WRITE

    @extend_schema(operation_id="payments_of_order", tags=["payments"], responses=PaymentTold(many=True))
    def get(self, request: Request, number: str) -> Response:
        """Every attempt to pay this order, oldest first."""
        order = found_order(self.caller, number)
        attempts = Transaction.objects.filter(order=order).select_related("order").order_by("pk")
        return Response(PaymentTold(attempts, many=True).data)

    @extend_schema(operation_id="payment_start", tags=["payments"], request=PaymentAsked, responses={201: StartedTold})
    @answered_once(in_one_commit=False)
    def post(self, request: Request, number: str) -> Response:
        """Start a payment. One that is open already in this way is given again; one of another way is left first."""
        order = found_order(self.caller, number)
        asked = PaymentAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        attempt = _started(order, asked.validated_data, self.caller.name)
        address = reverse("api:payment", args=[attempt.out_trade_no])
        return Response(StartedTold(attempt).data, status=201, headers={"Location": address})


def _started(order: Any, asked: dict[str, Any], actor: str) -> Transaction:
    try:
        return start_payment(order, scene=Scene(asked["scene"]), actor=actor, fresh=asked["fresh"])
    except TooLittleTime as refusal:
        raise told(refusal, "too_little_time") from refusal
    except NotPayable as refusal:
        raise told(refusal, "not_payable") from refusal


class OnePayment(ApiView):
    read = Scope.ORDERS_READ

    @extend_schema(operation_id="payment_get", tags=["payments"], responses=PaymentTold)
    def get(self, request: Request, number: str) -> Response:
        """How one payment stands, as far as it is known here."""
        return Response(PaymentTold(found(self.caller, number)).data)


class CheckPayment(ApiView):
    write = Scope.PAYMENTS_WRITE

    @extend_schema(operation_id="payment_check", tags=["payments"], request=None, responses=PaymentTold)
    @answered_once(in_one_commit=False)
    def post(self, request: Request, number: str) -> Response:
        """Have Alipay asked now, at most once in a few seconds, and tell what is known then."""
        attempt = found(self.caller, number)
        ask.ask_now(attempt, actor=self.caller.name)
        return Response(PaymentTold(found(self.caller, number)).data)


class ClosePayment(ApiView):
    write = Scope.PAYMENTS_WRITE

    @extend_schema(operation_id="payment_close", tags=["payments"], request=None, responses=PaymentTold)
    @answered_once(in_one_commit=False)
    def post(self, request: Request, number: str) -> Response:
        """End an unpaid payment at Alipay. A code nobody has scanned yet can't be closed there: it is superseded, and watched."""
        attempt = found(self.caller, number)
        if attempt.state == Transaction.State.PAID:
            raise Problem("not_payable")
        unsettled = attempt.state in Transaction.UNSETTLED and not attempt.superseded
        if unsettled and not close.retire(attempt, actor=self.caller.name):
            raise Problem("not_closed", retry_after_s=3)
        return Response(PaymentTold(found(self.caller, number)).data)
