"""The published description is OpenAPI 3.1, names every address, and is read without any third party."""

import re

import pytest
from django.contrib.staticfiles import finders
from drf_spectacular.validation import validate_schema

from checkout.api.urls import urlpatterns as shop
from config.local.places import ROOT
from payments.api.problems import CODES
from payments.api.urls import urlpatterns as money


@pytest.fixture
def described(client):
    return client.get("/api/v1/schema").json()


def test_it_is_valid_and_names_every_address_and_no_other(described):
    validate_schema(described)
    own = [each for each in (*money, *shop) if each.name not in ("schema", "docs")]
    patterns = {re.compile(f"^/api/v1/{str(each.pattern).lstrip('^').rstrip('$')}$") for each in own}
    paths = {re.sub(r"{\w+}", "2026112200000000", path) for path in described["paths"]}

    assert described["openapi"].startswith("3.1")
    assert all(any(pattern.match(path) for pattern in patterns) for path in paths)
    assert all(any(pattern.match(path) for path in paths) for pattern in patterns)


def test_every_write_asks_for_a_key_and_every_operation_says_how_it_refuses(described):
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            headers = [
                each["name"]
                for each in operation.get("parameters", [])
                if each["in"] == "header" and each.get("required")
            ]
            must = ["Idempotency-Key", "If-Match"] if method == "patch" else ["Idempotency-Key"]
            assert headers == ([] if method == "get" else must), path
            assert {"400", "401", "403", "404", "429"} <= set(operation["responses"]), path
            assert operation["security"], path
    assert described["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == list(CODES)
    assert described["paths"]["/api/v1/refunds/{number}/approve"]["post"]["security"] == [{"session": []}]


def test_amounts_are_whole_fen_with_their_currency(described):
    for name, schema in described["components"]["schemas"].items():
        fields = schema.get("properties", {})
        amounts = [field for field in fields if field.endswith("_fen")]
        assert all("integer" in str(fields[each]["type"]) for each in amounts), name
        assert name.startswith(("Line", "Refund", "CartLine")) or not amounts or "currency" in fields, name


def test_the_page_for_people_takes_everything_from_here(client):
    page = client.get("/api/v1/docs")
    text = page.content.decode()

    assert page.status_code == 200
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert not re.search(r"<script>|<style|style=|onclick", text)
    for name in re.findall(r"/static/([^\"]+)\"", text):
        assert finders.find(name), name


def test_the_guide_names_every_code_with_its_status():
    guide = (ROOT / "docs/api.md").read_text()

    assert [code for code, (status, _title) in CODES.items() if f"| `{code}` | {status} |" not in guide] == []


def test_a_page_is_described_as_it_comes(described):
    page = described["components"]["schemas"]["PaginatedOrderToldList"]["properties"]

    assert page["items"] == {"type": "array", "items": {"$ref": "#/components/schemas/OrderTold"}}
    assert page["next"]["type"] == ["string", "null"]
