"""Bodies are JSON objects, bounded, each name once."""

import json
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJson(BaseParser):
    """UTF-8 JSON, an object at the top. NaN, a name that comes twice, half a character, nesting without end can't be read."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        body = parser_context["request"]._request.body  # raises RequestDataTooBig before it reads
        try:
            read = json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=_once)
            if b"\\u" in body:  # half a surrogate pair, written as an escape, is no text that could be stored or shown
                json.dumps(read, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise ParseError from None
        if not isinstance(read, dict):
            raise ParseError
        return read


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name comes twice")
    return read
