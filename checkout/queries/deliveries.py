"""Where an account's goods went last: one choice instead of five fields."""

from checkout.models import Delivery
from payments.models import User


def last_delivery(user: User | None) -> Delivery | None:
    """The newest delivery of this account whose details are still kept. None for guests: nothing but the account proves them."""
    if user is None:
        return None
    return Delivery.objects.filter(buyer=user).select_related("order").order_by("-order_id").first()


def details_of(delivery: Delivery) -> dict[str, str]:
    """Contact and delivery as the checkout's form gives them; the note belonged to that order alone."""
    return {
        "name": delivery.name or "",
        "mobile": delivery.mobile or "",
        "region": delivery.region or "",
        "address": delivery.address or "",
        "email": delivery.order.contact_email or "",
        "note": "",
    }
