"""Every path by which one person could approve what they asked for, in one list; each is refused and moves nothing.

That one person is not two by a colleague's account is test_people.py; that a program's key decides nothing, whoever made it,
is tests/payments/api/test_refunds.py as well.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.cache import SessionStore
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from payments.errors import RefundRefused, SamePerson
from payments.models import Case, Refund, RefundBatch, RefundBatchItem, Transaction, Transfer, User
from payments.models.api_client import Scope
from payments.models.clock import database_now
from payments.services import approve_refund as approval
from payments.services import work_cases
from payments.services.api_keys import add_client
from payments.services.bulk_refund import approve_batch
from payments.services.refund import approve_refund
from tests.conftest import enter
from tests.payments.test_approve_refund import LARGE, ask, fresh, paid, person  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db
REFUSED = (SamePerson, RefundRefused, IntegrityError, CommandError)


def batch_with(refund: Refund, person: User) -> RefundBatch:  # noqa: F811  # a person, not the maker of one
    """A bulk refund of this person's that waits for approval, with this refund in it."""
    batch = RefundBatch.objects.create(
        requested_by=person, state="asked", scope="whole", reason_code="recalled", orders=1, total_fen=refund.amount_fen,
        confirmed_at=database_now(),
    )  # fmt: skip
    RefundBatchItem.objects.create(
        batch=batch, order=refund.transaction.order, state="asked", amount_fen=refund.amount_fen, seen_fen=refund.amount_fen,
        refund=refund,
    )  # fmt: skip
    return batch


def case_of(me: User) -> Case:
    """A case that this person wants written off."""
    Case.objects.open_once(Case.Kind.STUCK, "number:2026", evidence="x")
    case = Case.objects.get()
    work_cases.ask_write_off(case, "nobody knows", person=me)
    case.refresh_from_db()
    return case


def posted(me: User, address: str, form: dict[str, Any]) -> None:
    """Send a form as this person, made by hand: their pages don't offer it. Raises SamePerson when that is the answer."""
    desk = enter(Client(), me)
    page = desk.get(
        address.rsplit("/", 2)[0] + "/change/" if "/do/" not in address else address.split("do/")[0] + "change/"
    )
    assert address not in page.content.decode(), "the page has a button for it"
    told = desk.post(address, form, follow=True).content.decode()
    if "申请人不能批准自己的" in told:
        raise SamePerson("said on the page")
    raise AssertionError(f"{address} does not say why it refuses: {told[:500]}")


def by_api(refund: Refund, *, desk: Client, **headers: str) -> None:
    answer = desk.post(
        f"/api/v1/refunds/{refund.out_request_no}/approve", {}, content_type="application/json",
        headers={"idempotency-key": "1", **headers},
    )  # fmt: skip
    assert answer.status_code == 403
    if answer.json()["code"] in ("same_person", "person_needed"):
        raise SamePerson(answer.json()["code"])


def key_of(me: User) -> str:
    return f"Bearer {add_client('own', scopes=Scope.values, addresses=(), person=me)[1]}"


def written_in_sql(refund: Refund, me: User) -> None:
    with connection.cursor() as cursor:
        sql = "UPDATE payments_refund SET state = 'approved', approver = %s, approved_at = now() WHERE id = %s"
        cursor.execute(sql, [approval.actor(me), refund.pk])


Path = Callable[[Refund, User, SessionStore], Any]
PATHS: dict[str, Path] = {
    "the service for people": lambda refund, me, session: approval.approve(refund, person=me, session=session),
    "the service beneath": lambda refund, me, _: approve_refund(refund, approver=approval.actor(me)),
    "a crafted form of a refund's page": lambda refund, me, _: posted(
        me, f"/admin/payments/refund/{refund.pk}/decide/", {"approve": "1"}
    ),
    "a shell that writes the row": lambda refund, me, _: Refund.objects.filter(pk=refund.pk).update(
        state="approved", approver=approval.actor(me)
    ),
    "SQL by the application's role": lambda refund, me, _: written_in_sql(refund, me),
    "a row that is approved from its start": lambda refund, me, _: Refund.objects.create(
        transaction=refund.transaction, out_request_no="R1", amount_fen=1, origin="staff", requester=approval.actor(me),
        approver=approval.actor(me), state="approved",
    ),
    "the command line, both names one": lambda refund, me, _: call_command(
        "refund", refund.transaction.out_trade_no, amount="1", requested_by=me.email, approved_by=me.email
    ),
    "a batch as a whole": lambda refund, me, session: approve_batch(
        batch_with(refund, me), person=me, session=session, seen=refund.amount
    ),
    "a crafted form of a batch's page": lambda refund, me, _: posted(
        me, f"/admin/payments/refundbatch/{batch_with(refund, me).pk}/approve/", {"seen_fen": str(refund.amount_fen)}
    ),
    "a colleague's batch that holds one's own": lambda refund, me, _: approval.word_of(refund, person=me),
    "a batch that a shell calls approved": lambda refund, me, _: RefundBatch.objects.filter(
        pk=batch_with(refund, me).pk
    ).update(state="approving", approved_by=me, approved_at=database_now(), due_at=database_now()),
    "the API, in a session": lambda refund, me, _: by_api(refund, desk=enter(Client(), me)),
    "the API, by a key of one's own": lambda refund, me, _: by_api(refund, desk=Client(), authorization=key_of(me)),
    "a case written off": lambda _, me, session: work_cases.write_off(case_of(me), person=me, session=session),
    "a crafted form of a case's page": lambda _, me, __: posted(
        me, f"/admin/payments/case/{case_of(me).pk}/do/write-off/", {"text": "x", "write_off_requester": "1"}
    ),
    "a case that a shell calls written off": lambda _, me, __: Case.objects.filter(pk=case_of(me).pk).update(
        state="written_off", write_off_approver=me, ended_at=database_now(), note="x"
    ),
}  # fmt: skip


@pytest.mark.rows("M12")
@pytest.mark.parametrize("path", PATHS)
def test_nobody_approves_their_own_request(paid: Transaction, fresh: SessionStore, path: str):  # noqa: F811
    me = User.objects.create_superuser("all@example.com", "x")  # with every right there is
    refund = ask(paid, LARGE, me)

    with pytest.raises(REFUSED), transaction.atomic():
        PATHS[path](refund, me, fresh)
    assert [*Refund.objects.values_list("state", "approver")] == [("requested", "")]
    assert not Case.objects.filter(state="written_off").exists()
    assert not Transfer.objects.exclude(cause="capture").exists()
