"""Lists page by page, newest first, by the last row seen: pages stay whole while rows are added."""

import re
from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.problems import Problem

USUAL, MOST = 50, 200
_CURSOR = re.compile(r"c[1-9]\d{0,17}", re.ASCII)
_LIMIT = re.compile(r"[1-9]\d{0,2}", re.ASCII)


class Pages(BasePagination):
    """?limit= and ?cursor=; `next` of an answer is the cursor of the page after it, null on the last."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit = _given(request, "limit", _LIMIT) or str(USUAL)
        if int(limit) > MOST:
            raise _wrong("limit")
        cursor = _given(request, "cursor", _CURSOR)
        after = queryset.filter(pk__lt=int(cursor[1:])) if cursor else queryset
        rows = list(after.order_by("-pk")[: int(limit) + 1])
        self.next = f"c{rows[int(limit) - 1].pk}" if len(rows) > int(limit) else None
        return rows[: int(limit)]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": schema,
                "next": {"type": ["string", "null"], "example": "c1042"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
        cursor = {"type": "string", "pattern": f"^{_CURSOR.pattern}$".replace("\\d", "[0-9]")}
        return [
            {"name": "limit", "in": "query", "required": False, "schema": limit, "description": "rows on one page"},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "schema": cursor,
                "description": "`next` of the page before",
            },
        ]


def _given(request: Request, name: str, shape: re.Pattern[str]) -> str:
    values = request.query_params.getlist(name)
    if not values:
        return ""
    if len(values) > 1 or not shape.fullmatch(values[0]):
        raise _wrong(name)
    return values[0]


def _wrong(name: str) -> Problem:
    return Problem("wrong_fields", errors=[{"pointer": f"?{name}", "code": "invalid", "detail": name}])
