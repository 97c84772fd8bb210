"""Carts for shops that show our goods in windows of their own: filled, addressed, and made an order. Prices are ours."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checkout.errors import (
    CartEmpty,
    CartFull,
    CheckoutError,
    DetailsMissing,
    GoodsGone,
    OrderExists,
    PricesMoved,
    TooManyUnpaid,
)
from checkout.forms import ContactForm
from checkout.models import Cart, Variant
from checkout.models.cart import MOST_OF_ONE
from checkout.queries.carts import contents
from checkout.services import carts
from checkout.services.place_purchase import keep_draft, place_purchase
from payments.api.fields import CURRENCY, Asked, Count, Fen, Told
from payments.api.once import answered_once
from payments.api.orders import OrderTold, tell
from payments.api.problems import Problem, told
from payments.api.view import ApiView
from payments.errors import OrderRefused
from payments.models.api_client import Scope
from payments.money import Money

REFUSALS: dict[type[CheckoutError], str] = {
    CartEmpty: "cart_empty", CartFull: "cart_full", DetailsMissing: "details_missing", OrderExists: "order_exists",
    PricesMoved: "prices_moved", GoodsGone: "goods_gone", TooManyUnpaid: "too_many_unpaid",
}  # fmt: skip


class QuantityAsked(Asked):
    quantity = Count(min_value=0, max_value=MOST_OF_ONE, help_text="0 takes it out")


class ContactAsked(Asked):
    name = serializers.CharField(max_length=60)
    mobile = serializers.CharField(max_length=30)
    region = serializers.CharField(max_length=80)
    address = serializers.CharField(max_length=200)
    email = serializers.CharField(max_length=254)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class CartOrderAsked(Asked):
    total_fen = Fen(help_text="the total the buyer has seen; another one is never charged")
    currency = serializers.ChoiceField(choices=[CURRENCY], default=CURRENCY)
    language = serializers.ChoiceField(choices=[code for code, _ in settings.LANGUAGES], default=settings.LANGUAGE_CODE)


class CartLineTold(Told):
    sku = serializers.CharField(source="variant.sku")
    title = serializers.CharField(source="variant.title")
    quantity = serializers.IntegerField()
    price_fen = serializers.IntegerField(source="price.fen")
    total_fen = serializers.IntegerField(source="total.fen")
    free = serializers.IntegerField(help_text="pieces that may be sold now; fewer than `quantity` can't be ordered")


class CartTold(Told):
    token = serializers.CharField(help_text="whoever has it has the cart")
    currency = serializers.SerializerMethodField()
    goods_fen = serializers.SerializerMethodField()
    delivery_fen = serializers.SerializerMethodField()
    total_fen = serializers.SerializerMethodField()
    lines = serializers.SerializerMethodField()

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, cart: Cart) -> str:
        return CURRENCY

    def get_goods_fen(self, cart: Cart) -> int:
        return contents(cart).goods.fen

    def get_delivery_fen(self, cart: Cart) -> int:
        return contents(cart).delivery.fen

    def get_total_fen(self, cart: Cart) -> int:
        return contents(cart).total.fen

    @extend_schema_field(CartLineTold(many=True))
    def get_lines(self, cart: Cart) -> object:
        return CartLineTold(contents(cart).items, many=True).data


def found(token: str) -> Cart:
    cart = carts.find_cart(token, None)
    if cart is None:
        raise Problem("not_found")
    return cart


class Carts(ApiView):
    write = Scope.CARTS_WRITE

    @extend_schema(operation_id="cart_open", tags=["shop"], request=None, responses={201: CartTold})
    @answered_once(in_one_commit=True)
    def post(self, request: Request) -> Response:
        """An empty cart. Keep its token with your buyer; it is forgotten after 90 days."""
        cart = carts.new_cart(None)
        address = reverse("shop_api:cart", args=[cart.token])
        return Response(CartTold(cart).data, status=201, headers={"Location": address})


class OneCart(ApiView):
    read = Scope.CARTS_WRITE

    @extend_schema(operation_id="cart_get", tags=["shop"], responses=CartTold)
    def get(self, request: Request, token: str) -> Response:
        """What is in it, at today's prices."""
        return Response(CartTold(found(token)).data)


class Line(ApiView):
    write = Scope.CARTS_WRITE

    @extend_schema(operation_id="cart_put", tags=["shop"], request=QuantityAsked, responses=CartTold)
    @answered_once(in_one_commit=True)
    def put(self, request: Request, token: str, sku: str) -> Response:
        """So many pieces of one kind. Said again it changes nothing."""
        cart, asked = found(token), QuantityAsked.read(request.data)
        variant = Variant.objects.filter(sku=sku, is_listed=True, product__is_listed=True).first()
        if variant is None:
            raise Problem("not_found")
        carts.lock(cart)
        self.see_that_it_is(lambda: CartTold(cart).data)
        try:
            carts.put(cart, variant, asked["quantity"])
        except CartFull as refusal:
            raise Problem("cart_full") from refusal
        return Response(CartTold(cart).data)


class Contact(ApiView):
    write = Scope.CARTS_WRITE

    @extend_schema(operation_id="cart_contact", tags=["shop"], request=ContactAsked, responses={204: None})
    @answered_once(in_one_commit=True)
    def put(self, request: Request, token: str) -> Response:
        """Who receives it and where. Kept sealed for seven days, and with the order."""
        cart, asked = found(token), ContactAsked.read(request.data)
        form = ContactForm(asked)
        if not form.is_valid():
            raise Problem("wrong_fields", errors=list(_faults(form)))
        carts.lock(cart)
        self.see_that_it_is(lambda: CartTold(cart).data)
        keep_draft(cart, form.cleaned_data)
        return Response(status=204)


def _faults(form: ContactForm) -> Any:
    for name, faults in form.errors.get_json_data().items():
        for fault in faults:
            yield {"pointer": f"/{name}", "code": fault["code"] or "invalid", "detail": fault["message"]}


class CartOrder(ApiView):
    write = Scope.CARTS_WRITE

    @extend_schema(operation_id="cart_order", tags=["shop"], request=CartOrderAsked, responses={201: OrderTold})
    @answered_once(in_one_commit=True)
    def post(self, request: Request, token: str) -> Response:
        """Make the order: goods are held, prices frozen. Then start a payment of it, or send the buyer to `pay_page`."""
        cart, asked = found(token), CartOrderAsked.read(request.data)
        order = self._placed(cart, asked, request.headers["Idempotency-Key"])
        address = reverse("api:order", args=[order.number])
        return Response(tell(self.caller, order.number), status=201, headers={"Location": address})

    def _placed(self, cart: Cart, asked: dict[str, Any], key: str) -> Any:
        if self.caller.client_id is None:
            raise Problem("forbidden")
        try:
            return place_purchase(
                cart, key=key, seen_total=Money(asked["total_fen"]), language=asked["language"], user=None,
                client_id=self.caller.client_id,
            )  # fmt: skip
        except CheckoutError as refusal:
            raise Problem(REFUSALS[type(refusal)]) from refusal
        except OrderRefused as refusal:
            raise told(refusal, "order_refused") from refusal
