"""Every role against every page of the staff's: what the table grants opens, the rest does not."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from config.local.places import ROOT
from payments.models import User
from payments.models.roles import ROLES
from tests.conftest import enter

LISTS = [(model._meta.app_label, str(model._meta.model_name)) for model in admin.site._registry]


@pytest.fixture
def member(db):
    def make(role: str | None) -> Client:
        person = User.objects.create_user(f"{role}@example.com".replace(" ", "."), "x", is_staff=True)
        if role is not None:
            person.groups.add(Group.objects.get(name=role))
        return enter(Client(), person)

    return make


@pytest.mark.rows("M01")
@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_role_opens_exactly_the_lists_of_its_rights(member, role):
    browser = member(role)
    rights = ROLES.get(role, ()) if role else ()
    opened = {(app, model): browser.get(reverse(f"admin:{app}_{model}_changelist")).status_code for app, model in LISTS}

    assert opened == {(app, model): 200 if f"{app}.view_{model}" in rights else 403 for app, model in LISTS}


def test_nobody_but_catalogue_managers_and_owners_changes_goods(member):
    for role in ROLES:
        status = member(role).get(reverse("admin:checkout_category_add")).status_code
        assert status == (200 if role in ("catalogue manager", "owner") else 403), role


def test_roles_that_ask_for_money_are_not_those_that_approve_it():
    both = {
        role for role, rights in ROLES.items() if {"payments.request_refund", "payments.approve_refund"} <= set(rights)
    }

    assert both == {"owner"}, "and even an owner can't approve their own: the database refuses it"


def test_the_table_in_the_docs_is_the_table_in_the_code():
    page = (ROOT / "docs/roles.md").read_text()
    rights = sorted({right for each in ROLES.values() for right in each})
    for right in rights:
        marks = " | ".join("●" if right in ROLES[role] else " " for role in ROLES)
        assert f"| `{right}` | {marks} |" in page, f"docs/roles.md lacks the row of {right}"
