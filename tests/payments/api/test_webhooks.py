"""Webhooks over the API: added with a secret told once, changed as seen, switched off, replayed; for those who may."""

import pytest

from payments.models import AuditEvent, Case, Order, WebhookDelivery, WebhookEndpoint
from payments.models.api_client import Scope
from payments.services.announce import announce_cases, hear
from payments.services.deliver_webhooks import deliver_webhooks
from payments.services.webhooks import MOST_ACTIVE, add_endpoint
from tests.payments.api.conftest import ORDER, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def added(shop, receiver) -> str:
    """The address of a webhook."""
    return f"webhooks/{shop.post('webhooks', {'url': receiver.url, 'kinds': ['order.paid']}).json()['id']}"


def test_a_secret_is_told_when_it_is_made_and_never_again(shop, receiver):
    answer = shop.post("webhooks", {"url": receiver.url, "description": "till"}, key="k")
    told = answer.json()

    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1/webhooks/{told['id']}")
    assert told["secret"] == str(WebhookEndpoint.objects.get().signing_secret)
    assert shop.post("webhooks", {"url": receiver.url, "description": "till"}, key="k").json() == told, "a lost answer"
    seen = shop.get(f"webhooks/{told['id']}").json()
    assert seen == {name: value for name, value in told.items() if name != "secret"}
    assert shop.get("webhooks").json()["items"] == [seen]
    assert [each.actor for each in AuditEvent.objects.filter(action="webhook_added")] == [f"api:{shop.client.pk}"]


def test_a_new_secret_signs_beside_the_old_one(shop, added):
    made = shop.post(f"{added}/rotate", {}).json()["secret"]

    endpoint = WebhookEndpoint.objects.get()
    assert (made, endpoint.old_until is not None) == (str(endpoint.signing_secret), True)
    assert shop.get(added).json()["both_sign_until"]


def test_what_is_changed_is_what_was_seen(shop, added):
    seen = shop.get(added)["ETag"]
    assert code_of(shop.patch(added, {"active": False})) == "condition_missing"

    off = shop.patch(added, {"active": False}, HTTP_IF_MATCH=seen)
    assert (off.status_code, off.json()["active"], off.json()["kinds"]) == (200, False, ["order.paid"])
    late = shop.patch(added, {"kinds": []}, HTTP_IF_MATCH=seen)
    assert (late.status_code, code_of(late)) == (412, "changed_meanwhile")
    assert shop.patch(added, {"kinds": []}, HTTP_IF_MATCH=shop.get(added)["ETag"]).json()["kinds"] == []
    assert shop.patch(added, {"description": "x"}, HTTP_IF_MATCH="*").json()["description"] == "x"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://127.0.0.1:1/x"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "x"}, "/url"),
        ({"url": "https://a:b@c.example/"}, "/url"),
        ({}, "/url"),
        ({"url": "https://c.example/", "kinds": ["no"]}, "/kinds"),
        ({"url": "https://c.example/", "kinds": ["webhook.test"]}, "/kinds"),
        ({"url": "https://c.example/", "secret": "x"}, "/secret"),
    ],
)
def test_an_address_inside_is_refused(shop, settings, body, pointer):
    settings.WEBHOOK_PRIVATE_HOSTS = []
    answer = shop.post("webhooks", body)

    assert (answer.status_code, code_of(answer)) == (400, "wrong_fields")
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert WebhookEndpoint.objects.count() == 0


def test_so_many_are_told_and_no_more(connect, receiver):
    shop = connect("books", *Scope.values)
    for _ in range(MOST_ACTIVE):
        add_endpoint(url=receiver.url, kinds=[], description="", actor="staff:1")
    assert code_of(shop.post("webhooks", {"url": receiver.url})) == "too_many_webhooks"

    first = f"webhooks/{WebhookEndpoint.objects.earliest('pk').pk}"
    assert shop.patch(first, {"active": False}, HTTP_IF_MATCH="*").status_code == 200
    assert shop.post("webhooks", {"url": receiver.url}).status_code == 201
    assert code_of(shop.patch(first, {"active": True}, HTTP_IF_MATCH="*")) == "too_many_webhooks"


def test_a_test_is_delivered_seen_with_its_tries_and_sent_again_under_its_id(shop, added, receiver):
    assert shop.post(f"{added}/test", {}).status_code == 202
    [waiting] = shop.get(f"{added}/deliveries").json()["items"]
    assert (waiting["kind"], waiting["state"], bool(waiting["next_try_at"])) == ("webhook.test", "waiting", True)
    deliver_webhooks()

    told = shop.get(f"deliveries/{waiting['id']}").json()
    assert (told["state"], told["next_try_at"], [each["status"] for each in told["tries"]]) == (
        "delivered",
        None,
        [200],
    )
    again = shop.post(f"deliveries/{waiting['id']}/replay", {})
    assert (again.status_code, again.json()["state"], again.json()["message_id"]) == (
        202,
        "waiting",
        waiting["message_id"],
    )
    deliver_webhooks()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [waiting["message_id"]] * 2
    assert shop.get(f"{added}/deliveries?state=waiting").json()["items"] == []


def test_what_is_not_there_is_not_there(shop, added):
    for path in ("webhooks/999", "deliveries/999", "webhooks/999/deliveries", "webhooks/999999999999999999"):
        assert code_of(shop.get(path)) == "not_found", path
    for path in ("webhooks/999/rotate", "webhooks/999/test", "deliveries/999/replay"):
        assert code_of(shop.post(path, {})) == "not_found", path
    assert WebhookDelivery.objects.count() == 0


# --- whose they are -------------------------------------------------------------------------------------------------


@pytest.fixture
def all_seeing(connect):
    return connect("books", *Scope.values)


def test_a_program_lists_changes_and_replays_its_own_webhooks_and_knows_of_no_other(
    shop, connect, all_seeing, added, receiver
):
    other = connect("other")
    house = add_endpoint(url=receiver.url, kinds=[], description="", actor="staff:1")
    shop.post(f"{added}/test", {})
    delivery = f"deliveries/{WebhookDelivery.objects.get().pk}"
    reads = [added, f"{added}/deliveries", delivery]
    writes = [f"{added}/rotate", f"{added}/test", f"{delivery}/replay"]

    assert [code_of(other.get(path)) for path in reads] == ["not_found"] * 3
    assert [code_of(other.post(path, {})) for path in writes] == ["not_found"] * 3
    assert code_of(other.patch(added, {"active": False}, HTTP_IF_MATCH="*")) == "not_found"
    assert code_of(shop.get(f"webhooks/{house.pk}")) == "not_found"
    listed = [[each["id"] for each in who.get("webhooks").json()["items"]] for who in (other, shop, all_seeing)]
    assert listed == [[], [house.pk - 1], [house.pk, house.pk - 1]]
    assert [shop.get(path).status_code for path in reads] == [200] * 3
    assert [shop.post(path, {}).status_code for path in writes] == [200, 202, 202]
    assert [all_seeing.get(path).status_code for path in reads] == [200] * 3


def test_a_programs_webhook_hears_of_its_own_orders_alone(shop, connect, all_seeing, receiver, merchant):
    other = connect("other")
    heard = {
        who: who.post("webhooks", {"url": receiver.url}).json()["id"] for who in (shop, other, all_seeing)
    }  # fmt: skip
    house = add_endpoint(url=receiver.url, kinds=[], description="", actor="staff:1").pk

    def listeners():
        told = set(WebhookDelivery.objects.values_list("endpoint_id", flat=True))
        WebhookDelivery.objects.all().delete()
        return told

    for who in (shop, other):
        order = Order.objects.get(number=who.post("orders", ORDER).json()["number"])
        hear({"topic": "order.closed", "order_id": order.pk, "dedupe_key": f"order.closed:{order.pk}"})
        assert listeners() == {heard[who], heard[all_seeing], house}
    Case.objects.open_once(Case.Kind.REFUSED_CALL, "x", evidence="order:1", number="x")
    announce_cases(limit=9)
    assert listeners() == {heard[all_seeing], house}, "a case may be about anybody's order"
