"""Staff's lists: they look, filter and search, and change nothing, by form or by crafted POST."""

from datetime import date
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
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
    WebhookEndpoint,
)
from payments.models.clock import database_now
from payments.models.sealing import seal_events
from payments.money import Money
from payments.services.check_books import check_books
from payments.services.plan_batch import plan_batch
from payments.services.refund import request_refund
from payments.services.webhooks import add_endpoint, send_test
from tests.conftest import enter

BY_FORM = (User, ApiClient, WebhookEndpoint)  # who may enter and who is told is edited by a form; money never
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
    send_test(add_endpoint(url="https://shop.example/", kinds=[], description="", actor="staff:1"), actor="staff:1")
    check_books()
    seal_events(until_id=2**62, most=100, now=database_now())
    return {model: model._default_manager.first() for model in MODELS}


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:payments_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_record_opens(staff, one_of_each, model):
    assert staff.get(url(model, "changelist")).status_code == 200
    assert staff.get(url(model, "change", one_of_each[model].pk)).status_code == 200


@pytest.mark.parametrize("typed", ["²", "9" * 30, "x"])
def test_a_record_that_can_not_be_is_not_found(staff, one_of_each, typed):
    for model in MODELS:
        assert staff.get(url(model, "change", typed)).status_code in (302, 404), model


def crafted(model: Any, before: str = "") -> dict[str, str]:
    """Every field of a record, as a form of somebody else's making would carry them."""
    values = {"state": "paid", "paid_by": "1", "approver": "staff:2", "is_green": "on"}
    return {f"{before}{field.name}": values.get(field.name, "1") for field in model._meta.concrete_fields}


@pytest.mark.rows("M10", "M11")
@pytest.mark.parametrize("role", ["owner", "superuser"])
@pytest.mark.parametrize("model", MODELS)
def test_nobody_changes_money_by_a_form(staff, one_of_each, model, role):
    """No form, no crafted field, no list that is edited in place, no action, for those who have every right there is."""
    person = User.objects.get(email="boss@example.com")
    person.is_superuser = role == "superuser"
    person.save()
    person.groups.set(Group.objects.filter(name=role))
    staff, record, before = enter(Client(), person), one_of_each[model], list(model.objects.values())
    in_place = {
        "_save": "1", "form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": record.pk, **crafted(model, "form-0-")
    }  # fmt: skip
    chosen = {"_selected_action": [record.pk], "post": "yes"}

    assert staff.post(url(model, "change", record.pk), crafted(model) | {"_save": "1"}).status_code == 403
    assert staff.post(url(model, "add"), crafted(model)).status_code == 403
    assert staff.post(url(model, "delete", record.pk), {"post": "yes"}).status_code == 403
    assert staff.get(url(model, "delete", record.pk)).status_code == 403
    staff.post(url(model, "history", record.pk), crafted(model))
    staff.post(url(model, "changelist"), in_place)
    staff.post(url(model, "changelist"), chosen | {"action": "delete_selected", "select_across": "1"})
    assert list(model.objects.values()) == before


@pytest.mark.rows("M11")
@pytest.mark.parametrize("model", MODELS)
def test_no_list_of_money_offers_to_delete_or_to_edit_in_place(staff, one_of_each, model):
    page = staff.get(url(model, "changelist"))

    form = page.context.get("action_form")
    offered = {name for name, _words in form.fields["action"].choices} if form else set()
    assert offered <= {"", "hear_again", "refund_marked", "take", "assign", "release", "send_again"}, (
        "a new action is named here once it is sure that it changes no money"
    )
    assert admin.site._registry[model].list_editable == ()
    assert "_save" not in page.content.decode()


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


CRAFTED = [
    "owner__password__startswith=a", "owner__email__startswith=b", "owner__session__isnull=1", "owner__groups__name=owner",
    "order__token__startswith=a", "order__delivery__buyer__email__startswith=b", "order__paid_by__qr_code__startswith=h",
    "transaction__order__token__startswith=a", "transaction__qr_code__startswith=h", "transaction__account__app_id__gt=1",
    "account__keys__key__startswith=-", "account__seller_id__startswith=2", "paid_by__trade_no__startswith=2", "pk__lt=0",
    "id__gt=999999", "token__startswith=a", "language__startswith=q", "seal_id__isnull=1", "state__regex=(a%2B)%2B$",
    "state__startswith=zz", "state__in=x", "state__isnull=x", "created_at__year__gt=x", "created_at__gte=never", "nonsense=1",
    "nonsense__in=1", "o=999", "o=-1.x", "p=999999", "p=-1", "_to_field=token", "is_superuser__exact=1",
]  # fmt: skip


@pytest.mark.rows("M16")
@pytest.mark.parametrize("query", CRAFTED)
def test_crafted_filters_leak_nothing(staff, one_of_each, query):
    """Refused, or left aside with the whole list shown: what is found must not tell a secret letter by letter."""
    for model in (Case, Order, Transaction, Refund):
        answer = staff.get(url(model, "changelist") + f"?{query}")
        shown = (
            query.startswith("state__")
            and model._meta.get_field("state").name in admin.site._registry[model].list_filter
        )
        assert answer.status_code in (200, 302, 400), (model, answer.status_code)
        if answer.status_code == 200 and not shown:
            assert len(answer.context["cl"].result_list) == 1, (model, "it was filtered by this")


@pytest.mark.rows("M16")
def test_no_list_is_filtered_by_a_field_that_its_filters_do_not_show(staff, one_of_each):
    models: list[Any] = [*(each for each in MODELS if each is not BillDay), User]  # days are shown by month
    for model in models:
        filters = admin.site._registry[model].list_filter
        for field in model._meta.concrete_fields:
            if field.name not in filters:
                answer = staff.get(f"{url(model, 'changelist')}?{field.name}__startswith=1")
                assert answer.status_code == 400, (model, field.name)


@pytest.mark.parametrize("model", MODELS)
def test_a_visitor_is_sent_to_the_login(client, db, model):
    response = client.get(url(model, "changelist"))

    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


def test_an_address_is_one_person_whatever_its_capitals(db):
    User.objects.create_user("Lin@Example.com", "x")

    assert User.objects.get_by_natural_key("lin@example.com")
