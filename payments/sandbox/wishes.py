"""What an operator or a test asks for, read from a form or from JSON: faults and wrong bills. Unknown names are passed over."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from aiohttp import web

from payments.sandbox.bill_faults import CUTS, ENCODINGS, Plan
from payments.sandbox.faults import Fault, Faults, Setting

Values = Mapping[str, Any]
MOST_TIMES = 1_000_000
_YES, _NO = ("true", "on", "yes"), ("false", "off", "no", "")


class NotUnderstood(Exception):
    """A value that can't be read; the text says which and what is expected."""


async def values_of(request: web.Request) -> dict[str, Any]:
    """Form or JSON, as its content type says. JSON that is no object counts as nothing said."""
    if request.content_type == "application/json":
        try:
            found = json.loads(await request.text())
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    return dict(await request.post())


def text_of(values: Values, name: str) -> str:
    """A value as text; absent ones empty."""
    value = values.get(name)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def set_faults(faults: Faults, values: Values) -> list[str]:
    """Switch faults on or off; the names among the values that are no fault. Raises NotUnderstood, changing nothing.

    Each fault: a number of times, true or false, a probability with a point ("0.25"), or in JSON an object of times,
    chance, method and seconds. `method` and `seconds` beside them hold for all that are named; `clear` ends all others;
    `seed` starts the draws anew.
    """
    known = {name for name in values if name in set(Fault)}
    shared = {name: values[name] for name in ("method", "seconds") if values.get(name) not in (None, "")}
    wanted = {Fault(name): _setting(name, values[name], shared) for name in known}
    seed = _whole("seed", values["seed"]) if values.get("seed") not in (None, "") else None
    if text_of(values, "clear") in _YES:
        faults.clear()
    if seed is not None:
        faults.reseed(seed)
    for fault, setting in wanted.items():
        faults.set(fault, setting)
    return sorted(set(values) - known - {"method", "seconds", "clear", "seed"})


def _setting(name: str, value: Any, shared: Values) -> Setting:
    given = {**shared, **value} if isinstance(value, dict) else {**shared, **_amount(name, value)}
    times, chance = _whole(name, given.get("times", 0)), _number(name, given.get("chance", 0.0))
    if not 0 <= chance <= 1:
        raise NotUnderstood(f"{name}: a probability lies between 0 and 1")
    seconds = _number("seconds", given["seconds"]) if "seconds" in given else None
    if seconds is not None and not 0 <= seconds <= 3600:
        raise NotUnderstood("seconds: between 0 and 3600")
    return Setting(times, chance, str(given.get("method", "")), seconds)


def _amount(name: str, value: Any) -> dict[str, Any]:
    text = str(value).strip().lower()
    if text in _YES:
        return {"times": 1}
    if text in _NO:
        return {"times": 0}
    if "." in text:
        return {"chance": text}
    return {"times": text}


def plan_of(values: Values, before: Plan) -> Plan:
    """A bill's plan, changed by what these values name. Raises NotUnderstood."""
    named = {each.name: values[each.name] for each in fields(Plan) if each.name in values}
    changes: dict[str, Any] = {}
    for name, value in named.items():
        if name in ("missing", "empty"):
            changes[name] = text_of(values, name).lower() in (*_YES, "1")
        elif name == "cut":
            changes[name] = _one_of(name, value, CUTS)
        elif name == "encoding":
            changes[name] = _one_of(name, value, ENCODINGS) or "gbk"
        else:
            changes[name] = 1 if text_of(values, name).lower() in _YES else _whole(name, value or 0)
    return replace(Plan() if text_of(values, "clear").lower() in _YES else before, **changes)


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    text = str(value).lower()
    if text in _YES:
        return known[0]
    if text in _NO:
        return ""
    if text not in known:
        raise NotUnderstood(f"{name}: one of {', '.join(known)}")
    return text


def _whole(name: str, value: Any) -> int:
    text = str(value).strip()
    if not text.isascii() or not text.isdecimal() or int(text[:9]) > MOST_TIMES or len(text) > 9:
        raise NotUnderstood(f"{name}: a number of times up to {MOST_TIMES}, true, false, or a probability such as 0.25")
    return int(text)


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise NotUnderstood(f"{name}: a number") from None
    if number != number:  # not a number
        raise NotUnderstood(f"{name}: a number")
    return number
