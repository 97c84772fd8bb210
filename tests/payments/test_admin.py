"""Staff's lists: they look, filter and search, and change nothing, by form or by crafted POST."""

from datetime import date
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from payments.models import (
    ApiClient,
    BillDay,
    Case,
    GatewayCall,
    InboundMessage,
    Order,
    Refund,
    RefundBatch,
    Transaction,
    User,
)
from payments.models.clock import database_now
from payments.models.sealing import seal_events
from payments.money import Money
from payments.services.check_books import check_books
from payments.services.plan_batch import plan_batch
from payments.services.refund import request_refund
from tests.conftest import enter

BY_FORM = (User, ApiClient)  # who may enter is edited by a form; money never
MODELS = [model for model in admin.site._registry if model._meta.app_label == "payments" and model not in BY_FORM]


@pytest.fixture
def staff(db) -> Client:
    client = Client()
    enter(client, User.objects.create_superuser("boss@example.com", "x"))
    return client


@pytest.fixture
def one_of_each(order, unsettled, says, client) -> dict[Any, Any]:
    client.post("/alipay/notify", says.notice(unsettled), content_type="application/x-www-form-urlencoded")
    GatewayCall.objects.create(
        account=order.account, transaction=unsettled, method="m", purpose="precreate", number="n"
    )
    Case.objects.open_once(Case.Kind.STUCK, f"transaction:{unsettled.pk}", evidence="x", amount_fen=8880)
    request_refund(unsettled, Money(1), requester="staff:1", origin=Refund.Origin.STAFF)
    boss = User.objects.get(email="boss@example.com")
    plan_batch(Order.objects.all(), person=boss, scope=RefundBatch.Scope.WHOLE, reason=Refund.Reason.RECALLED)
    BillDay.objects.create(account=order.account, day=date(2026, 11, 22))
    check_books()
    seal_events(until_id=2**62, most=100, now=database_now())
    return {model: model._default_manager.first() for model in MODELS}


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:payments_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_record_opens(staff, one_of_each, model):
    assert staff.get(url(model, "changelist")).status_code == 200
    assert staff.get(url(model, "change", one_of_each[model].pk)).status_code == 200


@pytest.mark.rows("M10", "M11")
@pytest.mark.parametrize("model", MODELS)
def test_nobody_changes_money_by_a_form(staff, one_of_each, model):
    record = one_of_each[model]
    before = list(model.objects.values())

    assert staff.post(url(model, "change", record.pk), {"state": "paid", "total_fen": "1"}).status_code == 403
    assert staff.post(url(model, "add"), {}).status_code == 403
    assert staff.post(url(model, "delete", record.pk), {"post": "yes"}).status_code == 403
    staff.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": [record.pk], "post": "yes"})
    assert list(model.objects.values()) == before


@pytest.mark.parametrize("model", [Order, Transaction, GatewayCall, InboundMessage, Case])
def test_lists_can_be_searched_and_filtered(staff, one_of_each, model):
    page = staff.get(url(model, "changelist"), {"q": "nothing like that"})
    assert page.context["cl"].result_count == 0

    assert admin.site._registry[model].list_filter


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_for_one_row_and_for_many(
    staff, one_of_each, model, make_order, make_attempt, django_assert_max_num_queries
):
    for _ in range(15):
        make_attempt(make_order())

    with django_assert_max_num_queries(14):  # the queue of cases says more on top of its list
        staff.get(url(model, "changelist"))


@pytest.mark.parametrize("model", [Order, InboundMessage, Transaction])
def test_secrets_and_raw_messages_are_not_shown(staff, one_of_each, order, model):
    page = staff.get(url(model, "change", one_of_each[model].pk)).content.decode()

    assert order.token not in page
    assert "159****5620" not in page


@pytest.mark.rows("M16")
@pytest.mark.parametrize(
    "query",
    [
        "owner__password__startswith=a",
        "nonsense=1",
        "state__regex=.*",
        "o=999",
        "p=999999",
        "order__token__startswith=a",
    ],
)
def test_crafted_filters_leak_nothing(staff, one_of_each, query):
    for model in (Case, Order, Transaction):
        assert staff.get(url(model, "changelist") + f"?{query}").status_code in (200, 302, 400)


@pytest.mark.parametrize("model", MODELS)
def test_a_visitor_is_sent_to_the_login(client, db, model):
    response = client.get(url(model, "changelist"))

    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


def test_an_address_is_one_person_whatever_its_capitals(db):
    User.objects.create_user("Lin@Example.com", "x")

    assert User.objects.get_by_natural_key("lin@example.com")
