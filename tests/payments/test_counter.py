"""The counter: a buyer's code charged once, answers told honestly, doubt ended by cancelling. Against the pretend Alipay."""

import random
from datetime import timedelta

import pytest

from payments import gateway
from payments.errors import KeyReused, NotACode, NotPayable, TillBusy
from payments.models import (
    AuditEvent,
    Case,
    GatewayCall,
    IdempotencyRecord,
    Order,
    OutboxMessage,
    Refund,
    Transaction,
    Transfer,
    User,
)
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.till import Charge, ChargeState, charge, till
from payments.sandbox.alipay import Refused
from payments.sandbox.barcodes import Outcome, new_code
from payments.services import close, poll, sweep
from payments.services.charge_barcode import Counter, Sale, charge_barcode
from payments.services.close import close_due
from payments.services.receive_notice import receive_notice
from payments.services.relay_outbox import relay_outbox
from payments.services.start_payment import start_payment

State = Transaction.State
CHANCE = random.Random(3)


@pytest.fixture
def mei(db) -> User:
    return User.objects.create_user("mei@example.com", "x", is_staff=True)


@pytest.fixture
def scan(connected, mei):
    """A buyer's code is scanned at Mei's till."""

    def scan(outcome: Outcome = Outcome.PAYS, fen: int = 8880, cashier: User = mei, **more) -> Transaction:
        words = {
            "what": Sale(Money(fen), "柜台", "en"), "auth_code": new_code(outcome, CHANCE), "counter": Counter.of(cashier),
            "key": f"k{CHANCE.random()}", **more,
        }  # fmt: skip
        return charge_barcode(words.pop("what"), **words)

    return scan


def told_of(attempt: Transaction) -> Charge:
    assert attempt.cashier_id is not None
    found = charge(attempt.cashier_id, attempt.pk)
    assert found is not None
    return found


def seen(attempt: Transaction) -> ChargeState:
    return told_of(attempt).state


def last_action(attempt: Transaction) -> str:
    return [event.action for event in AuditEvent.objects.about(attempt)][-1]


def patience_is_over(attempt: Transaction) -> None:
    clock = {"created_at": attempt.created_at - timedelta(minutes=2), "close_due_at": database_now()}
    Transaction.objects.filter(pk=attempt.pk).update(**clock)


def its_time_is_over(attempt: Transaction) -> None:
    past = database_now() - timedelta(minutes=5)
    Transaction.objects.filter(pk=attempt.pk).update(time_expire=past, close_due_at=database_now())


def later() -> None:
    OutboxMessage.objects.update(due_at=database_now())
    relay_outbox(limit=20)


def calls() -> list[tuple[str, str]]:
    writing = GatewayCall.objects.exclude(purpose="query").order_by("started_at")
    return list(writing.values_list("purpose", "outcome"))


def test_a_code_that_pays_is_an_order_paid_once_and_in_the_books(scan, mei, twin):
    attempt = scan()

    assert (attempt.state, seen(attempt)) == (State.PAID, ChargeState.RECEIVED)
    order = Order.objects.get()
    assert (order.state, order.total, order.paid_by_id) == ("paid", Money(8880), attempt.pk)
    assert [(each.debit, each.credit, each.fen) for each in Transfer.objects.all()] == [
        ("alipay_receivable", "sales", 8880)
    ]
    assert calls() == [("pay", "done")]
    assert [event.action for event in AuditEvent.objects.about(attempt)] == ["created", "presented", "paid"]
    assert twin.site.alipay.book.trades[attempt.out_trade_no].details["terminal_id"] == f"T{mei.pk}"


def test_a_buyer_who_is_asked_for_a_password_confirms_it(scan, twin):
    attempt = scan(Outcome.PASSWORD)
    assert (attempt.state, seen(attempt)) == (State.PRESENTED, ChargeState.CONFIRMING)
    assert 50 < told_of(attempt).seconds_left <= 60

    twin.control("pay", out_trade_no=attempt.out_trade_no)
    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)

    assert seen(attempt) == ChargeState.RECEIVED


@pytest.mark.parametrize(
    ("outcome", "why"), [(Outcome.TOO_LITTLE, "balance"), (Outcome.RISK, "risk"), (Outcome.OUTDATED, "code")]
)
def test_a_refused_code_is_plainly_refused_and_another_one_pays_the_same_order(scan, outcome, why):
    refused = scan(outcome)

    told = told_of(refused)
    assert (told.state, told.refusal, told.may_charge_again) == (ChargeState.REFUSED, why, True)
    assert Transfer.objects.count() == 0

    again = scan(what=refused.order)
    assert (again.order_id, seen(again)) == (refused.order_id, ChargeState.RECEIVED)
    assert again.out_trade_no != refused.out_trade_no


def test_when_nothing_reaches_alipay_nothing_was_charged(scan, connected, twin):
    connected.gateway_url = "http://127.0.0.1:9/gateway.do"
    connected.save()
    gateway.merchants(refresh=True)

    attempt = scan()

    told = told_of(attempt)
    assert (told.state, told.refusal) == (ChargeState.REFUSED, "unreachable")


def test_a_fault_of_our_configuration_is_refused_and_opens_a_case(scan, twin, monkeypatch):
    def refuse(*_):
        raise Refused("ACQ.SELLER_BEEN_BLOCKED")

    monkeypatch.setattr(twin.site.alipay, "_barcode_pay", refuse)

    assert seen(scan()) == ChargeState.REFUSED
    assert Case.objects.get().kind == Case.Kind.REFUSED_CALL


# --- once ---------------------------------------------------------------------------------------------------------------


def test_a_second_press_with_the_same_key_charges_nothing_more(scan, twin):
    code = new_code(Outcome.PAYS, CHANCE)
    first = scan(auth_code=code, key="one sale")
    again = scan(auth_code=code, key="one sale")

    assert first.pk == again.pk
    assert (calls(), len(twin.site.alipay.book.trades), Order.objects.count()) == ([("pay", "done")], 1, 1)


def test_a_key_is_good_for_one_sale_only(scan):
    scan(key="one sale")

    with pytest.raises(KeyReused):
        scan(fen=1, key="one sale")


def test_a_second_scan_while_one_is_open_is_refused(scan, mei, make_order):
    first = scan(Outcome.PASSWORD)

    with pytest.raises(TillBusy):
        scan()
    assert (Order.objects.count(), calls()) == (1, [("pay", "unknown")])

    Transaction.objects.filter(pk=first.pk).update(superseded=True)  # set aside: the next buyer's turn
    assert seen(scan()) == ChargeState.RECEIVED


def test_the_database_lets_one_of_two_scans_at_once_through(scan, monkeypatch):
    monkeypatch.setattr("payments.models.transaction.TransactionQuerySet.open_charge", lambda *_: None)
    scan(Outcome.PASSWORD)

    with pytest.raises(TillBusy):
        scan()
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    "text", ["", "123456", "24" + "1" * 16, "31" + "1" * 16, "28" + "1" * 23, "28" + "1" * 13, "６" * 18]
)
def test_what_is_no_payment_code_is_not_sent(scan, text):
    with pytest.raises(NotACode):
        scan(auth_code=text)
    assert Order.objects.count() == GatewayCall.objects.count() == 0


@pytest.mark.rows("X03")
def test_the_code_is_written_down_nowhere(scan, capfd):
    code = new_code(Outcome.PASSWORD, CHANCE)
    attempt = scan(auth_code=code)
    patience_is_over(attempt)
    close_due(limit=10)

    for model in (Transaction, GatewayCall, AuditEvent, IdempotencyRecord, OutboxMessage, Order, Case):
        assert code not in str(list(model.objects.values()))
    out, err = capfd.readouterr()
    assert code not in out + err


# --- an order that waits --------------------------------------------------------------------------------------------------


def test_an_order_that_waits_is_paid_by_its_number_and_its_code_ends(scan, connected, make_order, twin):
    order = make_order()
    shown = start_payment(order, scene=Transaction.Scene.QR, actor="buyer")
    twin.control("scan", out_trade_no=shown.out_trade_no)

    attempt = scan(what=order)

    order.refresh_from_db()
    shown.refresh_from_db()
    assert (order.paid_by_id, shown.state) == (attempt.pk, State.CLOSED)
    assert twin.site.alipay.book.trades[shown.out_trade_no].status == "TRADE_CLOSED"


def test_what_is_paid_or_being_charged_is_not_charged_again(scan, connected, make_order):
    first = scan(Outcome.PASSWORD, what=make_order())
    lin = User.objects.create_user("lin@example.com", "x", is_staff=True)
    with pytest.raises(NotPayable):
        scan(what=first.order, cashier=lin)

    paid = scan(cashier=lin)
    with pytest.raises(NotPayable):
        scan(what=Order.objects.get(pk=paid.order_id), cashier=lin)


def test_an_order_whose_charge_was_set_aside_in_doubt_is_not_charged_anew(scan, twin, make_order):
    twin.control("faults", method="alipay.trade.pay", http_500="1")
    first = scan(what=make_order())
    assert close.set_aside(first, actor="staff:1")

    with pytest.raises(NotPayable):
        scan(what=Order.objects.get(pk=first.order_id))
    assert Transaction.objects.count() == 1


# --- doubt ----------------------------------------------------------------------------------------------------------------


@pytest.mark.rows("F42")
@pytest.mark.parametrize(
    "fault", ["error_after", "cut", "html", "unsigned", "bad_answer_signature", "wrong_answer_amount"]
)
def test_after_an_answer_that_says_nothing_the_question_finds_the_money(scan, twin, fault):
    twin.control("faults", method="alipay.trade.pay", **{fault: "1"})

    attempt = scan()
    assert (attempt.in_doubt, seen(attempt), Transfer.objects.count()) == (True, ChargeState.DOUBT, 0)

    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)
    assert (seen(attempt), Transfer.objects.count()) == (ChargeState.RECEIVED, 1)


def test_a_notice_ends_the_doubt_too(scan, says, twin):
    twin.control("faults", method="alipay.trade.pay", error_after="1")
    attempt = scan()

    receive_notice(body=says.notice(attempt))

    assert seen(attempt) == ChargeState.RECEIVED


def test_a_buyer_who_does_not_confirm_is_cancelled_at_alipay(scan, twin):
    attempt = scan(Outcome.PASSWORD)
    patience_is_over(attempt)
    assert seen(attempt) == ChargeState.DOUBT

    close_due(limit=10)

    assert seen(attempt) == ChargeState.CANCELLED
    assert twin.site.alipay.book.trades[attempt.out_trade_no].status == "TRADE_CLOSED"
    assert calls() == [("pay", "unknown"), ("cancel", "done")]
    assert last_action(attempt) == "cancelled"


def test_the_cashier_may_end_it_before_patience_is_over(scan, twin):
    attempt = scan(Outcome.PASSWORD)

    assert Transaction.objects.end_by(attempt.pk, when=database_now())
    assert seen(attempt) == ChargeState.DOUBT
    assert not Transaction.objects.end_by(attempt.pk, when=database_now()), "once is enough"
    close_due(limit=10)

    assert seen(attempt) == ChargeState.CANCELLED


def test_what_was_confirmed_at_the_last_moment_is_kept(scan, twin):
    attempt = scan(Outcome.PASSWORD)
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    patience_is_over(attempt)

    close_due(limit=10)

    assert (seen(attempt), calls()) == (ChargeState.RECEIVED, [("pay", "unknown")])


def pays_before_the_cancel(twin, monkeypatch, attempt: Transaction) -> None:
    cancel, trade = twin.site.alipay._cancel, twin.site.alipay.book.trades[attempt.out_trade_no]

    def pay_first(call, now):
        if trade.paid_at is None:
            twin.site.alipay.pay(trade, now)
        return cancel(call, now)

    monkeypatch.setattr(twin.site.alipay, "_cancel", pay_first)


def test_confirmed_between_question_and_cancel_it_came_and_went_back(scan, twin, monkeypatch):
    attempt = scan(Outcome.PASSWORD)
    pays_before_the_cancel(twin, monkeypatch, attempt)
    patience_is_over(attempt)

    close_due(limit=10)

    attempt.refresh_from_db()
    refund, trade = Refund.objects.get(), twin.site.alipay.book.trades[attempt.out_trade_no]
    assert (seen(attempt), Order.objects.get().state) == (ChargeState.CAME_AND_WENT, "refunded")
    assert (refund.origin, refund.state, refund.amount_fen) == ("external", "succeeded", 8880)
    assert [(each.out_request_no, each.fen) for each in trade.refunds] == [(refund.out_request_no, 8880)]
    assert till(attempt.cashier_id).total == Money(0)
    assert Case.objects.count() == 0


def test_the_same_told_by_notices_afterwards_changes_nothing(scan, twin, says, monkeypatch):
    attempt = scan(Outcome.PASSWORD)
    pays_before_the_cancel(twin, monkeypatch, attempt)
    patience_is_over(attempt)
    close_due(limit=10)
    attempt.refresh_from_db()

    receive_notice(body=says.notice(attempt, trade_no=attempt.trade_no))
    later()

    assert (seen(attempt), Refund.objects.count(), Case.objects.count()) == (ChargeState.CAME_AND_WENT, 1, 0)


@pytest.mark.parametrize("paid_first", [False, True])
def test_a_cancel_whose_answer_is_lost_is_repeated_until_it_is_known(scan, twin, monkeypatch, paid_first):
    attempt = scan(Outcome.PASSWORD)
    if paid_first:
        pays_before_the_cancel(twin, monkeypatch, attempt)
    patience_is_over(attempt)
    twin.control("faults", method="alipay.trade.cancel", cut="1")

    close_due(limit=10)
    assert (seen(attempt), calls()[-1]) == (ChargeState.DOUBT, ("cancel", "unknown"))
    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)  # hears "closed", which does not say whether it was paid before

    later()

    assert calls()[-1] == ("cancel", "done")
    assert seen(attempt) == (ChargeState.CAME_AND_WENT if paid_first else ChargeState.CANCELLED)
    assert Refund.objects.count() == (1 if paid_first else 0)
    assert OutboxMessage.objects.filter(topic="cancel.unclear", delivered_at=None).count() == 0


def test_a_process_that_died_over_a_cancel_leaves_it_to_the_next(scan, twin):
    attempt = scan(Outcome.PASSWORD)
    patience_is_over(attempt)
    GatewayCall.objects.create(
        account=attempt.account, transaction=attempt, method="alipay.trade.cancel", purpose="cancel",
        number=attempt.out_trade_no, started_at=database_now() - timedelta(minutes=1),
    )  # fmt: skip

    sweep.end_dead_calls(limit=5)
    later()

    assert seen(attempt) == ChargeState.CANCELLED


def test_a_cancel_that_did_not_arrive_leaves_money_that_came(scan, twin):
    attempt = scan(Outcome.PASSWORD)
    patience_is_over(attempt)
    twin.control("faults", method="alipay.trade.cancel", http_500="1")
    close_due(limit=10)
    twin.control("pay", out_trade_no=attempt.out_trade_no)

    later()

    assert (seen(attempt), calls()[-1]) == (ChargeState.RECEIVED, ("cancel", "unknown"))


def test_without_any_answer_it_stays_doubtful_and_becomes_a_case(scan, twin):
    attempt = scan(Outcome.PASSWORD)
    patience_is_over(attempt)
    twin.control("faults", http_500="99")
    close_due(limit=10)
    assert Case.objects.count() == 0

    its_time_is_over(attempt)
    close_due(limit=10)

    case = Case.objects.get()
    assert (case.kind, case.subject, case.amount_fen) == (Case.Kind.STUCK, f"transaction:{attempt.pk}", 8880)
    assert (seen(attempt), told_of(attempt).has_case) == (ChargeState.DOUBT, True)


def test_a_charge_that_never_reached_alipay_ends_when_its_time_is_over(scan, twin):
    twin.control("faults", method="alipay.trade.pay", http_500="1")
    attempt = scan()
    patience_is_over(attempt)
    close_due(limit=10)
    poll.ask_about_due(limit=10)
    assert seen(attempt) == ChargeState.DOUBT, "the request may still be on its way"

    its_time_is_over(attempt)
    close_due(limit=10)
    later()

    assert seen(attempt) == ChargeState.CANCELLED
    assert last_action(attempt) == "closed_unused"
    assert OutboxMessage.objects.filter(delivered_at=None).count() == 0


def test_a_code_is_never_charged_by_the_poller(scan, twin):
    twin.control("faults", method="alipay.trade.pay", http_500="1")
    attempt = scan()
    Transaction.objects.update(next_check_at=database_now())

    poll.ask_about_due(limit=10)

    attempt.refresh_from_db()
    assert (attempt.state, calls()) == (State.CREATED, [("pay", "unknown")])
    assert (attempt.in_doubt, seen(attempt)) == (False, ChargeState.DOUBT), '"no such trade yet" ends no doubt'


def test_a_cancel_alipay_refuses_for_good_is_asked_about_and_a_person_looks(scan, twin, monkeypatch):
    attempt = scan(Outcome.PASSWORD)
    patience_is_over(attempt)

    def refuse(*_):
        raise Refused("ACQ.REASON_TRADE_BEEN_FREEZEN")

    monkeypatch.setattr(twin.site.alipay, "_cancel", refuse)
    close_due(limit=10)

    assert Case.objects.get().kind == Case.Kind.REFUSED_CALL
    assert seen(attempt) == ChargeState.DOUBT


def test_the_till_adds_up_what_it_took_today(scan, mei):
    scan(fen=1000)
    scan(Outcome.TOO_LITTLE, fen=2000)
    last = scan(fen=333)
    lin = User.objects.create_user("lin@example.com", "x", is_staff=True)
    scan(fen=7, cashier=lin)

    sold = till(mei.pk)

    assert (sold.count, sold.total, len(sold.charges)) == (2, Money(1333), 3)
    assert sold.charges[0].attempt.pk == last.pk
