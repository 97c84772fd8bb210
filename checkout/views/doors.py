"""What shop pages share: whose cart it is, how often a door may be tried, which browser holds an order."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject

from checkout.models import Cart, CartLine, Delivery, Product
from checkout.services.carts import find_cart, new_cart
from payments.models import Order, User
from payments.services import throttle
from payments.services.throttle import seconds_to_wait
from payments.views.problems import reference

COOKIE = "cart"
COOKIE_AGE_S = 90 * 24 * 60 * 60
SEEN, SEEN_AGE_S, MOST_SEEN = "seen", 7 * 24 * 60 * 60, 4
View = Callable[..., HttpResponse]


class SeeOther(HttpResponseRedirect):
    """After a POST: reload and back repeat a GET, never the POST."""

    status_code = 303


def shopper(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) and request.user.is_active else None


def cart_of(request: HttpRequest) -> Cart | None:
    return find_cart(request.COOKIES.get(COOKIE), shopper(request))


def cart_for(request: HttpRequest) -> Cart:
    """The shopper's cart, made now if there is none; hand the answer to `with_cart` then."""
    return cart_of(request) or new_cart(shopper(request))


def with_cart(response: HttpResponse, cart: Cart) -> HttpResponse:
    """The answer, with the browser told which cart is its own."""
    response.set_cookie(
        COOKIE, cart.token, max_age=COOKIE_AGE_S, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )
    return response


def with_seen(request: HttpRequest, response: HttpResponse, product: Product) -> HttpResponse:
    """The answer, with the browser told what was looked at last; an empty cart offers it again."""
    earlier = [each for each in seen_ids(request) if each != product.pk]
    kept = "-".join(str(each) for each in [product.pk, *earlier][:MOST_SEEN])
    response.set_cookie(
        SEEN, kept, max_age=SEEN_AGE_S, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )
    return response


def seen_ids(request: HttpRequest) -> list[int]:
    """Products looked at last in this browser, newest first. The browser may have written anything into it."""
    kept = request.COOKIES.get(SEEN, "")[:120].split("-")
    return [int(each) for each in kept if each.isascii() and each.isdigit() and len(each) < 16][:MOST_SEEN]


def basket(request: HttpRequest) -> dict[str, Any]:
    """For templates: how many pieces are in the cart. Asked only by pages that show it."""

    def pieces() -> int:
        cart = cart_of(request)
        return sum(CartLine.objects.filter(cart=cart).values_list("quantity", flat=True)) if cart else 0

    return {"cart_pieces": SimpleLazyObject(pieces)}


def limited(what: str, *, most: int, per_s: int) -> Callable[[View], View]:
    """Answer 429 with a way on when one address POSTs to this door more often than `most` times in `per_s` seconds."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            wait = seconds_to_wait(what, client_address(request), most=most, per_s=per_s) if request.POST else 0
            return too_often(request, wait) if wait else view(request, *args, **kwargs)

        return answer

    return decorate


def too_often(request: HttpRequest, wait: int) -> HttpResponse:
    response = render(request, "problems/429.html", {"wait": wait, "ref": reference()}, status=429)
    response["Retry-After"] = str(wait)
    return response


def client_address(request: HttpRequest) -> str:
    return throttle.client_address(request.META)


def remember(request: HttpRequest, order: Order) -> None:
    """This browser placed the order, or showed that it knows its mobile number: it may see the address."""
    known = request.session.get("orders", [])
    if order.pk not in known:
        request.session["orders"] = [*known, order.pk][-20:]


def knows(request: HttpRequest, delivery: Delivery) -> bool:
    """Whether name, mobile and address may be shown here."""
    user = shopper(request)
    owned = user is not None and delivery.buyer_id == user.pk
    return owned or delivery.pk in request.session.get("orders", [])


def on_a_phone(request: HttpRequest) -> bool:
    """Only decides what is offered first; never what is possible."""
    return "Mobile" in request.headers.get("User-Agent", "")
