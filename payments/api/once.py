"""Idempotency-Key: the same request under the same key has one effect and one answer."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.problems import Problem
from payments.errors import KeyReused, StillRunning
from payments.models import IdempotencyRecord
from payments.services import once
from payments.services.once import Asked, Kept

SHAPE = re.compile(r"[\x21-\x7e]{1,100}", re.ASCII)
# Refusals that say what was wrong with the request itself are kept like successes; after all others it may be tried anew.
KEPT_REFUSALS = frozenset({400, 404, 422})
IN_ORDER = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
Handler = Callable[..., Response]
AtOnce = Callable[[Any, Request, Asked], Response | None]


def answered_once(*, in_one_commit: bool, at_once: AtOnce | None = None) -> Callable[[Handler], Handler]:
    """Ask for a key, do the work under it once, and answer repeats with what came of it.

    in_one_commit  key, effect and answer are committed together: who dies leaves nothing behind. False for work that calls
                   Alipay, which happens outside of any transaction and is repeated safely under the number saved first
    at_once        tried first: does the work and keeps its answer by one statement, or does nothing and returns None
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            try:
                asked = _asked(view, request)
                answered = at_once(view, request, asked) if at_once else None
            except Exception:
                view.look_now()  # who may not ask at all is told that and nothing else
                raise
            if answered is not None:
                return answered
            view.look_now()
            try:
                return _answered(view, asked, in_one_commit, lambda: handler(view, request, *args, **kwargs))
            except KeyReused:
                raise Problem("key_reused") from None
            except StillRunning:  # or so slow that a repeat took over: what was done in this commit is undone
                raise Problem("in_progress", retry_after_s=1) from None

        return answer

    return decorate


def _asked(view: Any, request: Request) -> Asked:
    key = request.headers.get("Idempotency-Key", "")
    if not SHAPE.fullmatch(key):
        raise Problem("key_missing" if not key else "malformed")
    return Asked(f"once:{view.caller.name}", key, _hash(request))


def _answered(view: Any, asked: Asked, in_one_commit: bool, work: Callable[[], Response]) -> Response:
    boundary: AbstractContextManager[Any] = transaction.atomic() if in_one_commit else nullcontext()
    held: IdempotencyRecord | Kept | None = None
    try:
        with boundary:
            held = once.begin(asked)
            if isinstance(held, Kept):
                return _again(held)
            response = work()
            once.keep(held, status=response.status_code, body=kept(response))
            return response
    except StillRunning:
        raise
    except Exception as error:
        if not isinstance(held, IdempotencyRecord):
            raise
        return _refused(view.handle_exception(error), asked, None if in_one_commit else held)


def _refused(refusal: Response, asked: Asked, held: IdempotencyRecord | None) -> Response:
    """Keep the refusal, or let the key go. `held` is None where it went with the commit that failed."""
    if refusal.status_code in KEPT_REFUSALS:
        once.keep_refusal(asked, held, status=refusal.status_code, body=kept(refusal))
    elif held is not None:
        once.let_go(held)
    return refusal


def kept(response: Response) -> dict[str, Any]:
    kind = "problem" if response.status_code >= 400 else "answer"
    return {"kind": kind, "data": response.data, "location": response.get("Location")}


def _again(found: Kept) -> Response:
    response = Response(found.body["data"], status=found.status)
    if found.body["kind"] == "problem":
        response.content_type = "application/problem+json"
    if found.body["location"]:
        response["Location"] = found.body["location"]
    response["Idempotent-Replayed"] = "true"
    return response


def _hash(request: Request) -> str:
    """With the server's own key: requests carry addresses and payment codes, which nobody shall find by trying."""
    condition = request.headers.get("If-Match", "")
    said = IN_ORDER([request.method, request.path, request.data, condition])
    return salted_hmac("payments.api.once", said, algorithm="sha256").hexdigest()
