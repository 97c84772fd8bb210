"""Pages in the reader's language."""

from typing import Any

from aiohttp import web
from django.template.loader import render_to_string
from django.utils import translation


def page(request: web.Request, name: str, **values: Any) -> web.Response:
    """One of templates/sandbox, in Chinese unless the cookie or the browser says English."""
    wanted = request.cookies.get("language") or request.headers.get("Accept-Language", "zh")[:2]
    language = "en" if wanted == "en" else "zh-hans"
    with translation.override(language):
        text = render_to_string(f"sandbox/{name}.html", {**values, "LANGUAGE_CODE": language, "path": request.path})
    return web.Response(text=text, content_type="text/html", charset="utf-8")
