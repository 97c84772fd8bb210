"""500 and 503 as whole pages in both languages, made from nothing but the settings: by the views, and as files for the proxy."""

from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string


def static_page(name: str, *, ref: str = "", until: str = "", inline: bool = False) -> str:
    """500 or 503 in both languages, from nothing but the settings.

    until   when maintenance ends, "15:00"; empty where nobody can say
    inline  carry the style along: for a proxy that serves the file while nothing of ours runs
    """
    return render_to_string(f"problems/{name}.html", {
        "shop": settings.SHOP_NAME, "contact": settings.SHOP_CONTACT, "ref": ref, "until": until,
        "style": _style() if inline else "",
    })  # fmt: skip


def _style() -> str:
    found = finders.find("shop/problem.css")
    return Path(found).read_text() if found else ""
