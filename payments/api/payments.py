"""Payments: started in one of the ways to pay, seen, asked about, closed. What Alipay says is their state."""

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.alipay.requests import is_payment_code
from payments.api.callers import Caller
from payments.api.fields import CURRENCY, Asked, Told
from payments.api.once import answered_once
from payments.api.orders import found as found_order
from payments.api.orders import visible as visible_orders
from payments.api.problems import Problem, told
from payments.api.view import ApiView
from payments.drawing import draw_svg
from payments.errors import NotPayable, TooLittleTime
from payments.models import Order, Transaction
from payments.models.api_client import Scope
from payments.services import ask, close
from payments.services.attempt_requests import Buyer, order_string, pay_address
from payments.services.cancel_charge import cancel_charge
from payments.services.charge_barcode import Counter, charge_barcode
from payments.services.start_payment import start_payment

Scene = Transaction.Scene
SCENES = [(each.value, each.label) for each in (Scene.QR, Scene.PAGE, Scene.WAP, Scene.APP, Scene.JSAPI, Scene.COUNTER)]
# What one way to pay asks for, and no other takes.
OF_ONE_SCENE = {
    "buyer_open_id": Scene.JSAPI, "buyer_id": Scene.JSAPI, "op_app_id": Scene.JSAPI, "auth_code": Scene.COUNTER,
    "terminal": Scene.COUNTER,
}  # fmt: skip


class PaymentAsked(Asked):
    scene = serializers.ChoiceField(
        choices=SCENES,
        help_text="qr: a code to scan; page: Alipay's page on a desktop; wap: Alipay from a phone's browser; app: Alipay's"
        " app, opened by yours; jsapi: a page inside Alipay; counter: the code a buyer shows",
    )
    fresh = serializers.BooleanField(default=False, help_text="leave the present code for a new one")
    buyer_open_id = serializers.RegexField(r"^[0-9A-Za-z_-]{1,128}$", required=False, help_text="jsapi: who pays")
    buyer_id = serializers.RegexField(
        r"^2088[0-9]{12}$", required=False, help_text="jsapi: who pays, by the older number"
    )
    op_app_id = serializers.RegexField(r"^[0-9]{1,32}$", required=False, help_text="jsapi: the mini program that pays")
    auth_code = serializers.CharField(max_length=40, required=False, help_text="counter: the code, good for one try")
    terminal = serializers.RegexField(
        r"^[0-9A-Za-z_-]{1,32}$", required=False, help_text="counter: your till's number, for the bill"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        scene = attrs["scene"]
        alien = [name for name, only in OF_ONE_SCENE.items() if name in attrs and only != scene]
        if alien:
            raise serializers.ValidationError({name: [f"not with the scene {scene}"] for name in alien})
        if scene == Scene.JSAPI and ("buyer_open_id" in attrs) == ("buyer_id" in attrs):
            raise serializers.ValidationError({"buyer_open_id": ["Either buyer_open_id or buyer_id."]})
        if scene == Scene.COUNTER and not is_payment_code(attrs.get("auth_code", "")):
            raise serializers.ValidationError({"auth_code": ["not a payment code of Alipay's"]})
        return attrs


class PaymentTold(Told):
    number = serializers.CharField(source="out_trade_no")
    trade_no = serializers.CharField(allow_null=True, help_text="Alipay's number, once there is a trade")
    order = serializers.CharField(source="order.number")
    scene = serializers.ChoiceField(choices=Scene.choices)
    state = serializers.ChoiceField(choices=Transaction.State.choices)
    in_doubt = serializers.BooleanField(help_text="Alipay has not given a certain answer; it is being asked")
    superseded = serializers.BooleanField(help_text="replaced by another code, still watched")
    refused = serializers.BooleanField(help_text="Alipay would not take it: nothing was charged, nothing can be")
    refusal = serializers.SerializerMethodField(help_text="Alipay's code for why, where it was refused")
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

    def get_refusal(self, attempt: Transaction) -> str:
        return attempt.calls.last_refusal() if attempt.refused else ""


class WayTold(Told):
    """How the buyer pays it. Empty while Alipay has not given a code or a trade: ask again with the same scene."""

    url = serializers.CharField(
        allow_blank=True, help_text="page and wap: open it in the buyer's browser, do not keep it"
    )
    qr_text = serializers.CharField(allow_blank=True, help_text="qr: what to draw as a code")
    qr_svg = serializers.CharField(allow_blank=True, help_text="qr: the code, drawn")
    order_string = serializers.CharField(allow_blank=True, help_text="app: hand it to Alipay's SDK, do not keep it")
    trade_no = serializers.CharField(allow_blank=True, help_text="jsapi: hand it to `tradePay`")


class StartedTold(PaymentTold):
    pay = serializers.SerializerMethodField()

    @extend_schema_field(WayTold)
    def get_pay(self, attempt: Transaction) -> dict[str, str]:
        return {**dict.fromkeys(WayTold().fields, ""), **_way(attempt)}


def _way(attempt: Transaction) -> dict[str, str]:
    """What its scene needs, while it can be paid."""
    if attempt.state != Transaction.State.PRESENTED or attempt.superseded:
        return {}
    match attempt.scene:
        case Scene.QR:
            return {"qr_text": attempt.qr_code, "qr_svg": draw_svg(attempt.qr_code)}
        case Scene.PAGE | Scene.WAP:
            return {"url": pay_address(attempt)}
        case Scene.APP:
            return {"order_string": order_string(attempt)}
        case Scene.JSAPI:
            return {"trade_no": attempt.trade_no or ""}
    return {}  # a code that was shown at the counter


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
        """Start a payment. One that is open already in this way is given again; one of another way is left first. A code
        shown at the counter is charged at once; what becomes of it is asked of Alipay, and it is cancelled when no answer
        comes."""
        order = found_order(self.caller, number)
        asked = PaymentAsked.read(request.data)
        attempt = _started(order, asked, self.caller.name, request.headers["Idempotency-Key"])
        address = reverse("api:payment", args=[attempt.out_trade_no])
        return Response(StartedTold(attempt).data, status=201, headers={"Location": address})


def _started(order: Order, asked: dict[str, Any], actor: str, key: str) -> Transaction:
    scene = Scene(asked["scene"])
    try:
        if scene == Scene.COUNTER:
            counter = Counter(actor, asked.get("terminal", ""))
            return charge_barcode(order, auth_code=asked["auth_code"], counter=counter, key=key)
        buyer = _buyer(asked) if scene == Scene.JSAPI else None
        return start_payment(order, scene=scene, actor=actor, fresh=asked["fresh"], buyer=buyer)
    except TooLittleTime as refusal:
        raise told(refusal, "too_little_time") from refusal
    except NotPayable as refusal:
        raise told(refusal, "not_payable") from refusal


def _buyer(asked: dict[str, Any]) -> Buyer:
    return Buyer(asked.get("buyer_open_id", ""), asked.get("buyer_id", ""), asked.get("op_app_id", ""))


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
        """End an unpaid payment at Alipay. A code nobody has scanned yet can't be closed there: it is superseded, and watched.
        A charge at the counter is cancelled: if it was paid meanwhile, Alipay gives all of it back."""
        attempt = found(self.caller, number)
        if attempt.state == Transaction.State.PAID:
            raise Problem("not_payable")
        end = cancel_charge if attempt.scene == Scene.COUNTER else close.retire
        unsettled = attempt.state in Transaction.UNSETTLED and not attempt.superseded
        if unsettled and not end(attempt, actor=self.caller.name):
            raise Problem("not_closed", retry_after_s=3)
        return Response(PaymentTold(found(self.caller, number)).data)
