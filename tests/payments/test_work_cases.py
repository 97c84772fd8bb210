"""Cases as work: whose they are, how they end, who must agree, and where the money they were about has gone."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.cache import SessionStore
from django.db import IntegrityError, connection, transaction

from payments.errors import CaseOver, CaseRefused, MoneyLeft, NotAllowed, SamePerson, StaleFactor
from payments.models import AuditEvent, Case, Order, Refund, Transaction, Transfer, User
from payments.models.case import RULES, kinds_of
from payments.models.clock import database_now
from payments.models.ledger import in_cases_fen
from payments.models.roles import ROLES
from payments.money import Money
from payments.queries.case_story import story
from payments.queries.invariants import check_invariants
from payments.queries.trial_balance import trial_balance
from payments.services import case_acts, second_factor, send_refunds, work_cases
from payments.services.receive_notice import receive_notice
from payments.services.refund import settle_refund
from payments.services.surplus import handle
from tests.conftest import journalled
from tests.payments.test_send_refunds import approved, pay

pytestmark = pytest.mark.django_db


def member(role: str, name: str = "") -> User:
    person = User.objects.create_user(f"{name or role}@example.com", "x", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return person


@pytest.fixture
def support() -> User:
    return member("support")


@pytest.fixture
def finance() -> User:
    return member("finance")


@pytest.fixture
def approver() -> User:
    return member("approver")


@pytest.fixture
def fresh() -> Any:
    session = SessionStore()
    second_factor.mark_proved(session, database_now())
    return session


@pytest.fixture
def plain() -> Case:
    Case.objects.open_once(Case.Kind.OTHER_AMOUNT, "number:1", evidence="notice:1", amount_fen=5)
    return Case.objects.get()


@pytest.fixture
def stray(merchant, make_order, make_attempt, says) -> Case:
    """88.80 that nobody knows: booked in money in cases."""
    attempt = make_attempt(make_order())
    receive_notice(says.notice(attempt, out_trade_no="NOBODY1"))
    return Case.objects.get()


@pytest.fixture
def late(order, make_attempt, says, settings, clocks) -> Case:
    """Money of a closed order that the robot neither honoured nor gave back."""
    settings.HONOUR_LATE = ""
    clocks(refund_by_robot_fen=0)
    attempt = make_attempt(order, state=Transaction.State.CLOSED)
    Order.objects.filter(pk=order.pk).update(state=Order.State.CLOSED, closed_at=database_now(), contact_email=None)
    AuditEvent.objects.add(order, "closed", actor="closer", state=Order.State.CLOSED)
    receive_notice(says.notice(attempt))
    handle({"order_id": order.pk, "transaction_id": attempt.pk})
    return Case.objects.get()


def history(case: Case) -> list[str]:
    return list(case.events.order_by("pk").values_list("action", flat=True))


def broken() -> list[str]:
    return [each.name for each in check_invariants() if each.hits]


def test_every_kind_has_a_rule_whose_role_may_do_the_work():
    assert set(RULES) == set(Case.Kind)
    for kind, rule in RULES.items():
        assert "payments.work_case" in ROLES[rule.role], kind
        assert kind in kinds_of([rule.role])
        assert 1 <= rule.days <= 7


def test_a_case_changes_hands_and_every_step_is_in_its_history_and_the_audit_trail(support, finance, plain):
    assert work_cases.assign([plain], support, person=support) == [plain]
    assert work_cases.assign([plain], support, person=finance) == [], "it is theirs already"
    work_cases.assign([plain], None, person=finance)
    work_cases.note(plain, " seen ", person=support)

    plain.refresh_from_db()
    assert (plain.owner, plain.state) == (None, "open")
    assert history(plain) == ["assigned", "released", "noted"]
    trail = AuditEvent.objects.about(plain).values_list("action", "actor", "state")
    assert list(trail) == [
        ("assigned", f"staff:{support.pk}", "assigned"), ("released", f"staff:{finance.pk}", "open"),
        ("noted", f"staff:{support.pk}", ""),
    ]  # fmt: skip


@pytest.mark.rows("M20")
def test_nobody_gets_a_case_who_may_not_work_on_it(support, approver, plain):
    with pytest.raises(NotAllowed):
        work_cases.assign([plain], approver, person=support)
    with pytest.raises(NotAllowed):
        work_cases.assign([plain], support, person=approver)
    for act in (work_cases.note, work_cases.resolve, work_cases.ask_write_off):
        with pytest.raises(NotAllowed):
            act(plain, "x", person=approver)
    assert history(plain) == []


@pytest.mark.rows("M20", "I-33")
def test_a_case_ends_with_a_note_once(support, plain):
    with pytest.raises(CaseRefused):
        work_cases.resolve(plain, "  ", person=support)
    work_cases.resolve(plain, "the buyer paid the rest", person=support)
    with pytest.raises(CaseOver):
        work_cases.resolve(plain, "again", person=support)

    plain.refresh_from_db()
    assert (plain.state, plain.note, plain.ended_at is not None) == ("resolved", "the buyer paid the rest", True)
    trail = AuditEvent.objects.about(plain).values_list("action", "actor", "state")
    assert list(trail) == [("resolved", f"staff:{support.pk}", "resolved")]
    assert work_cases.assign([plain], support, person=support) == [], "over is over"


def test_money_that_belongs_to_nobody_can_not_be_resolved_away(support, stray):
    with pytest.raises(MoneyLeft) as left:
        work_cases.resolve(stray, "never mind", person=support)

    assert left.value.fen == 8880
    stray.refresh_from_db()
    assert stray.state == "open"


def test_once_the_money_went_back_its_case_resolves_and_the_books_prove(finance, stray):
    paid = Transaction.objects.get(out_trade_no="NOBODY1")
    asked = case_acts.refund(stray, Money(8880), person=finance, why="not ours", seen=Money(8880))
    assert asked.state == Refund.State.APPROVED, "within what one person may let go"
    with pytest.raises(MoneyLeft):
        work_cases.resolve(stray, "on its way", person=finance)
    settle_refund(asked, actor="refunds", evidence=journalled(asked))

    work_cases.resolve(stray, "went back", person=finance)
    assert (in_cases_fen(paid.pk), trial_balance().proves, broken()) == (0, True, [])
    assert history(stray) == ["refund_asked", "resolved"]


def test_two_people_write_money_off_and_the_books_prove(support, approver, fresh, stray):
    work_cases.ask_write_off(stray, "the payer can't be found", person=support)
    with pytest.raises(CaseOver):
        work_cases.ask_write_off(stray, "again", person=support)
    stray.refresh_from_db()

    assert work_cases.write_off(stray, person=approver, session=fresh) == 8880
    posted = Transfer.objects.get(cause="write_off")
    assert (posted.debit, posted.credit, posted.fen) == ("money_in_cases", "written_off", 8880)
    stray.refresh_from_db()
    assert (stray.state, stray.note) == ("written_off", "the payer can't be found")
    assert (trial_balance().proves, trial_balance().in_cases_fen, broken()) == (True, 0, [])
    with pytest.raises(CaseOver):
        work_cases.write_off(stray, person=approver, session=fresh)
    assert Transfer.objects.filter(cause="write_off").count() == 1


def test_nobody_approves_the_write_off_they_asked_for_whatever_door_they_take(fresh, stray):
    owner = member("owner")
    work_cases.ask_write_off(stray, "mine", person=owner)
    stray.refresh_from_db()

    with pytest.raises(SamePerson):
        work_cases.write_off(stray, person=owner, session=fresh)
    assert not Case.objects.mark_written_off(stray, owner.pk, actor="staff:1")
    for values in ({"write_off_approver": owner.pk}, {"state": "written_off", "ended_at": database_now(), "note": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Case.objects.filter(pk=stray.pk).update(**values)
    assert not Transfer.objects.filter(cause="write_off").exists()


def test_a_write_off_needs_the_right_and_a_fresh_second_factor(support, finance, fresh, stray):
    work_cases.ask_write_off(stray, "why", person=finance)
    stray.refresh_from_db()
    with pytest.raises(NotAllowed):
        work_cases.write_off(stray, person=support, session=fresh)
    fresh[second_factor.PROVED_AT] -= second_factor.FRESH_S + 1
    with pytest.raises(StaleFactor):
        work_cases.write_off(stray, person=member("approver"), session=fresh)
    assert stray.state == "open"


def test_a_refused_write_off_says_why_and_can_be_asked_for_again(support, approver, stray):
    work_cases.ask_write_off(stray, "one", person=support)
    stray.refresh_from_db()
    with pytest.raises(NotAllowed):
        work_cases.refuse_write_off(stray, "no", person=member("support", "other"))
    work_cases.refuse_write_off(stray, "look at the bill first", person=approver)
    work_cases.ask_write_off(stray, "two", person=support)

    assert history(stray) == ["write_off_asked", "write_off_refused", "write_off_asked"]


def test_money_on_its_way_back_is_not_written_off_as_well(finance, approver, fresh, stray):
    case_acts.refund(stray, Money(100), person=finance, why="part", seen=Money(8880))
    work_cases.ask_write_off(stray, "the rest", person=finance)
    stray.refresh_from_db()

    with pytest.raises(CaseRefused, match="on its way"):
        work_cases.write_off(stray, person=approver, session=fresh)
    stray.refresh_from_db()
    assert (stray.state, Transfer.objects.filter(cause="write_off").exists()) == ("open", False)


def test_a_person_books_late_money_and_it_pays_its_order(finance, support, late):
    with pytest.raises(NotAllowed):
        case_acts.book(late, person=support)
    case_acts.book(late, person=finance)
    with pytest.raises(CaseRefused):
        case_acts.book(late, person=finance)
    work_cases.resolve(late, "the shop sends it after all", person=finance)

    order = Order.objects.get()
    assert (order.state, order.paid_by_id) == ("paid", Transaction.objects.get().pk)
    assert AuditEvent.objects.about(order).get(action="paid_late").actor == f"staff:{finance.pk}"
    assert (trial_balance().proves, broken()) == (True, [])


def test_money_promised_back_does_not_pay_an_order_too(finance, late):
    asked = case_acts.refund(late, Money(100), person=finance, why="part", seen=Money(8880))
    with pytest.raises(CaseRefused):
        case_acts.book(late, person=finance)
    settle_refund(asked, actor="refunds", evidence=journalled(asked))
    with pytest.raises(CaseRefused):
        case_acts.book(late, person=finance)

    assert Order.objects.get().state == "closed"


def test_an_overdue_case_is_said_once_and_counts_as_severe(caplog):
    Case.objects.open_once(Case.Kind.OTHER_APP, "number:7", evidence="notice:1")
    assert work_cases.escalate_overdue(limit=10) == 0, "not due yet"
    Case.objects.update(due_at=database_now() - timedelta(minutes=1))

    assert [work_cases.escalate_overdue(limit=10) for _ in range(2)] == [1, 0]
    case = Case.objects.get()
    assert (case.severity, case.escalated_at is not None, history(case)) == ("high", True, ["escalated"])
    assert [each.levelname for each in caplog.records if "case_overdue" in each.getMessage()] == ["ERROR"]


def test_an_assigned_case_has_an_owner_says_the_database(plain):
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=plain.pk).update(state="assigned")


def test_alipay_is_asked_about_the_payment_of_a_case(finance, connected, make_order, make_attempt, twin):
    attempt = make_attempt(make_order())
    Case.objects.open_once(Case.Kind.STUCK, f"transaction:{attempt.pk}", evidence="x")
    case = Case.objects.get()

    assert case_acts.ask(case, person=finance) == case_acts.Asked.ANSWERED
    assert case_acts.ask(case, person=finance) == case_acts.Asked.LATELY
    with pytest.raises(NotAllowed):
        case_acts.ask(case, person=member("viewer"))
    assert history(case) == ["asked_alipay"] * 2


@pytest.mark.rows("F67")
def test_alipay_is_asked_whether_it_has_a_payment_or_refund_that_is_in_no_bill(finance, connected, make_order, twin):
    paid = pay(make_order(), twin)
    refund = approved(paid, 3000)
    send_refunds.send_due(limit=1)
    Case.objects.open_once(Case.Kind.PAYMENT_NOT_IN_BILL, f"transaction:{paid.pk}", evidence="bill:1")
    Case.objects.open_once(
        Case.Kind.REFUND_NOT_IN_BILL, f"refund:{refund.pk}", evidence="bill:1", out_request_no=refund.out_request_no
    )
    of_payment, of_refund = Case.objects.order_by("pk")
    assert story(of_payment).can_be_asked

    assert case_acts.ask(of_payment, person=finance) == case_acts.Asked.CONFIRMED
    assert case_acts.ask(of_refund, person=finance) == case_acts.Asked.CONFIRMED
    twin.control("faults", http_500="9")
    assert case_acts.ask(of_payment, person=finance) == case_acts.Asked.UNSURE
    assert case_acts.ask(of_refund, person=finance) == case_acts.Asked.UNSURE
    twin.control("faults", http_500="0")
    twin.site.alipay.book.trades.clear()
    assert case_acts.ask(of_payment, person=finance) == case_acts.Asked.ABSENT
    assert Case.objects.count() == 2


def test_the_open_queue_is_read_by_its_index(plain):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        query, values = Case.objects.open().order_by("due_at").query.sql_with_params()
        cursor.execute("EXPLAIN " + query, values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "case_open_by_due" in plan, plan
