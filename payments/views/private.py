"""Headers of pages that only the holder of their link should see."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse

View = Callable[..., HttpResponse]


def private(view: View) -> View:
    """Not stored, not indexed, and its address is told to no other site.

    same-origin is what today's browsers take of the two policies: under no-referrer alone they would post our own
    forms with "Origin: null", which the CSRF check refuses.
    """

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> HttpResponse:
        response = view(*args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer, same-origin"
        response["X-Robots-Tag"] = "noindex"
        return response

    return answer
