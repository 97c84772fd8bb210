"""The published description (OpenAPI 3.1): what the framework sees in the code, and what holds for every address."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from payments.api.problems import CODES, MEDIA_TYPE

ANY_TIME = ("400", "401", "403", "404", "406", "429", "503")
ON_WRITES = ("409", "413", "415", "422")
ON_CHANGES = ("412", "428")
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "ref"],
    "properties": {
        "type": {"type": "string", "format": "uri", "example": "urn:jiezhang:problem:not_payable"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": list(CODES)},
        "ref": {"type": "string", "description": "what the log calls this request"},
        "errors": {"type": "array", "items": {
            "type": "object", "required": ["pointer", "code", "detail"],
            "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
        }},
    },
}  # fmt: skip
TITLES = {
    "400": "Malformed, or fields are wrong", "401": "No valid key or session", "403": "Not allowed", "404": "Not here",
    "406": "JSON only", "409": "Not in this state", "412": "Not as you have seen it", "413": "Too large",
    "415": "JSON only", "422": "Key reused, or not an order that can be placed", "428": "If-Match is needed",
    "429": "Too many requests", "503": "Not at this moment",
}  # fmt: skip


CHANGES = ("PUT", "PATCH")
IF_MATCH = {
    needed: [OpenApiParameter(
        "If-Match", {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}, OpenApiParameter.HEADER, required=needed,
        description="The ETag of what you have seen: changed only if it still is so, else 412.",
    )] for needed in (True, False)
}  # fmt: skip


class Described(AutoSchema):
    """Operations are named after their view: `orders_list`, `payment_check`."""

    def get_auth(self) -> Any:
        return [{"session": []}] if getattr(self.view, "persons_right", None) else super().get_auth()

    def get_override_parameters(self) -> list[Any]:
        if self.method == "GET":
            return []
        shape = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]+$"}
        said = "The same key and body get the same answer for at least 24 hours, and have one effect."
        key = OpenApiParameter("Idempotency-Key", shape, OpenApiParameter.HEADER, required=True, description=said)
        return [key, *(IF_MATCH[bool(getattr(self.view, "if_match", False))] if self.method in CHANGES else ())]


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "payments.api.callers.ByKey"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "jz_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "payments.api.callers.ByStaffSession"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may refuse, in one form."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    result["components"]["responses"] = {
        f"Problem{status}": {"description": TITLES[status], "content": content}
        for status in (*ANY_TIME, *ON_WRITES, *ON_CHANGES)
    }
    for operations in result["paths"].values():
        for method, operation in operations.items():
            writes = () if method == "get" else ON_WRITES
            for status in (*ANY_TIME, *writes, *(ON_CHANGES if method.upper() in CHANGES else ())):
                operation["responses"].setdefault(status, {"$ref": f"#/components/responses/Problem{status}"})
            if method == "get":
                operation["responses"]["304"] = {"description": "Not changed since the ETag in If-None-Match"}
    return result
