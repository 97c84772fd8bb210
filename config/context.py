"""What every template may say about the shop."""

from django.conf import settings
from django.http import HttpRequest


def shop(_request: HttpRequest) -> dict[str, object]:
    return {
        "shop": {
            "name": settings.SHOP_NAME, "contact": settings.SHOP_CONTACT, "what_next": settings.SHOP_WHAT_NEXT,
            "url": settings.SITE_URL,
        }
    }  # fmt: skip
