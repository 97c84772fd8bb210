"""Bill days over the API: how far each is, what differs, and an end that only a person gives it. Webhooks hear of both."""

from datetime import timedelta

import pytest

from payments.models import BillDay, Case, Difference, WebhookDelivery
from payments.models.clock import database_now
from payments.services.announce import announce_bill_days
from payments.services.webhooks import add_endpoint
from tests.payments.api.conftest import code_of


@pytest.fixture
def compared(merchant) -> BillDay:
    """A day with one difference, which has its case."""
    now = database_now()
    day = BillDay.objects.create(
        account=merchant, day=now.date() - timedelta(days=2), state="matched", content="lines", imported_at=now, matched_at=now,
        ours_fen=0, theirs_fen=88_80, ours_count=0, theirs_count=1, fee_fen=-53, result_hash="r1",
    )  # fmt: skip
    Case.objects.open_once(Case.Kind.PAYMENT_NOT_HERE, "billline:1:1", evidence=f"billday:{day.pk}")
    Difference.objects.create(
        day=day, kind="payment_not_here", key="k", state="case", trade_no="2026", field="all", theirs="88.80", fen=88_80,
        case=Case.objects.get(),
    )  # fmt: skip
    return day


def test_a_day_is_told_with_both_sides_and_what_differs(shop, compared):
    [told] = shop.get("bill-days").json()["items"]

    assert told == shop.get(f"bill-days/{compared.pk}").json()
    assert (told["day"], told["state"], told["content"]) == (str(compared.day), "matched", "lines")
    assert (told["ours_fen"], told["theirs_fen"], told["difference_fen"], told["currency"]) == (0, 88_80, 88_80, "CNY")
    [differs] = shop.get(f"bill-days/{compared.pk}/differences").json()["items"]
    assert (differs["kind"], differs["state"], differs["amount_fen"]) == ("payment_not_here", "case", 88_80)
    assert differs["case"] == shop.get("cases").json()["items"][0]["id"]


def test_days_are_found_by_date_state_and_seller(shop, compared):
    def count(words: str) -> int:
        return len(shop.get(f"bill-days?{words}").json()["items"])

    assert count(f"day_from={compared.day}&state=matched&seller_id={compared.account.seller_id}") == 1
    assert (count(f"day_before={compared.day}"), count("state=closed"), count("seller_id=2088")) == (0, 0, 0)
    assert code_of(shop.get("bill-days?day_from=yesterday")) == "wrong_fields"


def test_a_day_is_closed_by_a_person_who_may_and_only_once(shop, compared, member):
    path = f"/api/v1/bill-days/{compared.pk}/close"

    def close(role: str, key: str):
        return member(role).post(path, {}, content_type="application/json", HTTP_IDEMPOTENCY_KEY=key)

    assert code_of(shop.post(f"bill-days/{compared.pk}/close", {})) == "person_needed", "a key never decides"
    assert code_of(close("approver", "1")) == "forbidden"
    assert close("finance", "2").json()["state"] == "closed"
    again = close("owner", "3")
    assert (again.status_code, code_of(again)) == (409, "day_not_closable")


def test_a_day_with_something_that_waits_is_not_closed(compared, member):
    Difference.objects.create(
        day=compared, kind="payment_not_in_bill", key="k", state="waiting", field="all",
        waits_until=database_now() + timedelta(days=1),
    )  # fmt: skip
    path = f"/api/v1/bill-days/{compared.pk}/close"

    answer = member("finance").post(path, {}, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k")

    assert code_of(answer) == "day_not_closable"
    assert BillDay.objects.get().state == "matched"


def test_webhooks_hear_of_each_result_once_and_of_the_end(compared, receiver):
    add_endpoint(url=receiver.url, kinds=["bill_day.matched", "bill_day.closed"], description="", actor="staff:1")

    def heard() -> list[tuple[str, int, str]]:
        told = WebhookDelivery.objects.order_by("sequence").select_related("event")
        return [
            (each.event.kind, each.event.data["bill_day"]["difference_fen"], each.event.data["bill_day"]["state"])
            for each in told
        ]

    assert (announce_bill_days(limit=10), announce_bill_days(limit=10)) == (1, 0)
    BillDay.objects.update(result_hash="r2", theirs_fen=0)
    assert (announce_bill_days(limit=10), announce_bill_days(limit=10)) == (1, 0)
    BillDay.objects.update(state="closed", closed_at=database_now(), closed_by="staff:1")
    assert (announce_bill_days(limit=10), announce_bill_days(limit=10)) == (1, 0)
    assert heard() == [
        ("bill_day.matched", 88_80, "matched"), ("bill_day.matched", 0, "matched"), ("bill_day.closed", 0, "closed"),
    ]  # fmt: skip


def test_days_that_nobody_listens_to_are_not_looked_at_again(compared):
    assert (announce_bill_days(limit=10), announce_bill_days(limit=10)) == (1, 0)
    assert WebhookDelivery.objects.count() == 0
