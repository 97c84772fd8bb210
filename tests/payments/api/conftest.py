import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client

from payments.models import ApiClient, User
from payments.models.api_client import Scope
from payments.services.api_keys import add_client
from tests.conftest import enter

ORDER: dict[str, Any] = {"title": "茶", "lines": [{"title": "明前龙井", "unit_price_fen": 88_80}]}


class Shop:
    """A connected shop that talks to /api/v1 with its key."""

    def __init__(self, client: ApiClient, key: str) -> None:
        self.client, self.key, self.browser = client, key, Client()
        self.fresh = itertools.count(1)

    def get(self, path: str, **more: Any) -> Any:
        return self.browser.get(f"/api/v1/{path}", HTTP_AUTHORIZATION=f"Bearer {self.key}", **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.write("post", path, body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.write("put", path, body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.write("patch", path, body, **more)

    def write(self, method: str, path: str, body: Any, *, key: str | None = None, **more: Any) -> Any:
        once = key if key is not None else f"test-{next(self.fresh)}"
        return getattr(self.browser, method)(
            f"/api/v1/{path}", body, content_type="application/json", HTTP_AUTHORIZATION=f"Bearer {self.key}",
            HTTP_IDEMPOTENCY_KEY=once, **more,
        )  # fmt: skip


def code_of(response: Any) -> str:
    """The problem's code; sees that the document is one, and says what its status says."""
    assert response["Content-Type"] == "application/problem+json", response.content[:500]
    document = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:jiezhang:problem:{document['code']}"
    assert document["title"]
    found: str = document["code"]
    return found


@pytest.fixture(autouse=True)
def _nobody_has_asked_yet() -> None:
    cache.clear()


@pytest.fixture
def owner(db: None) -> User:
    person = User.objects.create_user("owner@example.com", "x", is_staff=True)
    person.groups.add(Group.objects.get(name="owner"))
    return person


@pytest.fixture
def connect(owner: User) -> Callable[..., Shop]:
    def make(name: str = "茶铺分店", *scopes: str, addresses: tuple[str, ...] = ()) -> Shop:
        wanted = scopes or tuple(each for each in Scope.values if each != Scope.ORDERS_ALL)
        return Shop(*add_client(name, scopes=wanted, addresses=addresses, person=owner))

    return make


@pytest.fixture
def shop(connect: Callable[..., Shop]) -> Shop:
    return connect()


@pytest.fixture
def member(db: None) -> Callable[[str], Client]:
    """A browser of staff with this role; the form token is asked of it, as of any browser."""

    def make(role: str) -> Client:
        person = User.objects.create_user(f"{role}-{User.objects.count()}@example.com", "x", is_staff=True)
        person.groups.add(Group.objects.get(name=role))
        return enter(Client(), person)

    return make


@pytest.fixture
def connect_committed(committed_db: None) -> Callable[[], Shop]:
    """A connected shop that every connection sees."""

    def make() -> Shop:
        person = User.objects.create_superuser("owner@example.com", "x")
        return Shop(*add_client("茶铺分店", scopes=Scope.values, addresses=(), person=person))

    return make
