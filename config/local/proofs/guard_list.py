"""The guards that `make guards` takes out, one at a time: how, and which test must miss each."""

from dataclasses import dataclass

TESTS = "tests/payments"
SETTLE_SQL = "payments/models/sql/settle.sql"
ORDER, TRANSACTION, REFUND = (f"payments/models/{name}.py" for name in ("order", "transaction", "refund"))
THE_GATES = "(t.app_id, t.seller_id, t.amount_fen) = (f.app_id, f.seller_id, f.total_fen)"
PAYS_ONCE = "AND coalesce(o.state, '') = 'awaiting_payment' AND coalesce(o.paid_by_id, 0) = 0"
CLOSES = ".filter(pk=transaction_id).update(\n            state=Transaction.State.CLOSED"
SUCCEEDS = "self.filter(pk=refund_id, state__in=(Refund.State.APPROVED, Refund.State.SENT)).update("
FITS = 'amount_fen__gte=F("refunded_fen") + F("reserved_fen") + fen,'
UNKNOWN_IS_NO = "        case Unknown():\n            _closed(attempt, call_id, actor)\n            Transaction"
REFUND_FACTS = 'if get("refund_fee") or get("gmt_refund") or get("out_biz_no"):'


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, how it is taken out, and the test that must miss it.

    without  (file, text, what stands there instead), or a statement for the database
    test     file and name below tests/payments
    """

    name: str
    without: tuple[str, str, str] | str
    test: str


def _in_code(name: str, file: str, text: str, instead: str, test: str) -> Guard:
    return Guard(name, (file, text, instead), test)


def _constraint(name: str, table: str, constraint: str, test: str) -> Guard:
    return Guard(name, f"ALTER TABLE payments_{table} DROP CONSTRAINT {constraint}", test)


LOCKS = [
    _in_code(
        "order lock of settle", SETTLE_SQL, "ORDER BY o.id FOR NO KEY UPDATE OF o", "",
        "test_races.py::test_without_its_guard_the_race_is_seen_to_be_lost",
    ),
    _in_code(
        "order lock of refunds, robots and closing", ORDER, 'self.select_for_update(no_key=True, of=("self",)).get',
        "self.get", "test_surplus.py::test_robots_at_once_honour_or_refund_once",
    ),
    _in_code(
        "one claim a row", TRANSACTION, "FOR UPDATE SKIP LOCKED", "",
        "test_races.py::test_workers_that_claim_at_once_never_get_the_same_row",
    ),
    _in_code(
        "no call inside a transaction", "payments/gateway.py", "assert not ours,", "assert True or ours,",
        "test_start_payment.py::test_no_call_leaves_while_a_transaction_is_open",
    ),
]  # fmt: skip
GUARDED_UPDATES = [
    _in_code(
        "paid moves once", SETTLE_SQL, "AND t.state <> 'paid'", "",
        "test_settle.py::test_closed_after_payment_never_unpays",
    ),
    _in_code(
        "one payment pays an order", SETTLE_SQL, PAYS_ONCE, "",
        "test_races.py::test_two_attempts_paid_at_once_pay_the_order_once",
    ),
    _in_code(
        "closing names the state", TRANSACTION, f"self.unsettled(){CLOSES}", f"self{CLOSES}",
        "test_races.py::test_five_doors_at_once_make_one_history",
    ),
    _in_code(
        "reservation of a refund", TRANSACTION, FITS, "", "test_refund.py::test_no_more_is_set_aside_than_was_paid"
    ),
    _in_code(
        "a refund ends once", REFUND, SUCCEEDS, "self.filter(pk=refund_id).update(",
        "test_refund.py::test_a_confirmed_refund_is_booked_once",
    ),
    _in_code(
        "a sender names the version of its claim", REFUND, "version=refund.version, state__in=", "state__in=",
        "test_send_refunds.py::test_a_worker_that_slept_past_its_lease_sends_nothing",
    ),
    _in_code(
        "only another person approves", REFUND, ".exclude(requester=approver)", "",
        "test_refund.py::test_only_another_person_approves_and_only_once",
    ),
    _in_code(
        "grace before closing", "payments/services/close.py", 'settings.PAYMENTS["grace_s"]', "0",
        "test_close.py::test_an_order_without_any_attempt_keeps_its_grace",
    ),
]  # fmt: skip
GATES = [
    _in_code(
        "gate: application", SETTLE_SQL, THE_GATES, "(t.seller_id, t.amount_fen) = (f.seller_id, f.total_fen)",
        "test_settle.py::test_facts_that_do_not_fit_open_one_case_and_settle_nothing",
    ),
    _in_code(
        "gate: seller", SETTLE_SQL, THE_GATES, "(t.app_id, t.amount_fen) = (f.app_id, f.total_fen)",
        "test_notify.py::test_a_notice_for_another_seller_or_for_none_is_a_case",
    ),
    _in_code(
        "gate: amount", SETTLE_SQL, THE_GATES, "(t.app_id, t.seller_id) = (f.app_id, f.seller_id)",
        "test_notify.py::test_a_genuine_notice_over_another_amount_is_a_case",
    ),
    _in_code(
        "gate: trade", SETTLE_SQL, "AND coalesce(t.trade_no, f.trade_no) = f.trade_no", "",
        "test_settle.py::test_another_trade_for_a_number_that_has_one_is_a_case",
    ),
    _in_code(
        "signature", "payments/services/receive_notice.py", "return check(notice, keys)", "return notice",
        "test_notify.py::test_signed_with_an_attackers_key",
    ),
    _in_code(
        "only RSA2", "payments/alipay/notices.py", 'if notice.get("sign_type") != SIGN_TYPE:', "if not SIGN_TYPE:",
        "test_notify.py::test_a_weaker_or_missing_sign_type",
    ),
    _in_code(
        "refund facts never pay", "payments/alipay/notices.py", REFUND_FACTS, "if False:",
        "test_notify.py::test_a_notice_about_a_refund_never_pays",
    ),
]  # fmt: skip
CONSTRAINTS = [
    _constraint(
        "one answer per idempotency key", "idempotencyrecord", "one_answer_per_key",
        "test_races.py::test_one_key_used_by_many_at_once_makes_one_order",
    ),
    Guard(
        "a number once", "DROP INDEX out_trade_no_once",
        "test_rights.py::test_one_number_and_one_trade_are_one_transaction",
    ),
    _constraint(
        "a trade once", "transaction", "trade_no_once",
        "test_settle.py::test_one_trade_for_two_numbers_is_a_case_for_the_second",
    ),
    _constraint(
        "refunds within what was paid", "transaction", "transaction_refunds_within_paid",
        "test_refund.py::test_the_database_refuses_to_give_back_more_than_was_paid_or_less_than_nothing",
    ),
    Guard(
        "a refund's number once, both times it is said",
        "DROP INDEX out_request_no_once; ALTER TABLE payments_refund DROP CONSTRAINT refund_once_per_trade",
        "test_refund.py::test_a_number_is_used_for_one_refund",
    ),
    Guard(
        "one open case", "DROP INDEX one_open_case_per_subject",
        "test_rights.py::test_one_open_case_of_a_kind_about_a_subject",
    ),
    Guard(
        "append-only ledger and audit", "GRANT UPDATE, DELETE ON payments_transfer, payments_auditevent TO jiezhang_app",
        "test_rights.py::test_append_only_tables_only_grow",
    ),
]  # fmt: skip
PEOPLE = [
    _in_code(
        "only another person writes off", "payments/services/work_cases.py",
        "if case.write_off_requester_id == person.pk:", "if False:",
        "test_work_cases.py::test_nobody_approves_the_write_off_they_asked_for_whatever_door_they_take",
    ),
    _in_code(
        "only another person approves a bulk refund", "payments/services/bulk_refund.py",
        "if batch.requested_by_id == person.pk:", "if False:",
        "test_bulk_refund.py::test_who_asked_never_approves_the_batch_in_service_or_database",
    ),
    _in_code(
        "a bulk refund wants its total typed", "payments/services/bulk_refund.py",
        "if not batch.orders or typed != batch.total:", "if not batch.orders:",
        "test_bulk_refund.py::test_another_total_confirms_nothing",
    ),
    _in_code(
        "approval wants the second factor again", "payments/services/approve_refund.py",
        "if not second_factor.is_fresh(session, database_now()):", "if False:",
        "test_approve_refund.py::test_approval_wants_a_factor_proved_minutes_ago",
    ),
    _in_code(
        "a limit a refund", "payments/services/approve_refund.py", 'amount.fen <= limits["refund_alone_fen"] and', "",
        "test_approve_refund.py::test_a_small_refund_goes_by_rule_and_a_larger_one_waits",
    ),
    _in_code(
        "a limit a person and day", "payments/models/staff_day.py", "WHERE d.alone_fen + excluded.alone_fen <= %(most)s", "",
        "test_approve_refund.py::TestCommitted::test_two_requests_at_once_cant_both_squeeze_below_the_days_limit",
    ),
    _in_code(
        "an account that waits moves no money", "payments/models/people.py", "is_deed and self.awaits_confirmation", "False",
        "test_people.py::test_an_account_that_waits_looks_and_does_nothing_about_money",
    ),
    _in_code(
        "who had a hand in an account never confirms it", "payments/services/people.py", "(person.pk, *person.hands)", "()",
        "test_people.py::test_one_owner_alone_is_never_two_people",
    ),
    _in_code(
        "what has lapsed is not approved", REFUND, "self.filter(Q(lapses_at=None) | Q(lapses_at__gt=now), pk=", "self.filter(pk=",
        "test_approve_refund.py::test_a_request_that_nobody_decides_lapses_and_can_no_longer_be_approved",
    ),
    _in_code(
        "a day closes only with a case for all", "payments/services/books/reconcile.py",
        "if locked.state != State.MATCHED or waits:", "if locked.state != State.MATCHED:",
        "test_reconcile.py::test_a_payment_at_midnight_waits_for_the_neighbours_bill_and_is_explained_by_it",
    ),
    Guard(
        "one open charge a till", "DROP INDEX one_open_charge_per_cashier",
        "test_counter.py::test_the_database_lets_one_of_two_scans_at_once_through",
    ),
    _in_code(
        "webhooks only to public addresses", "payments/public_hosts.py", "if not is_public(address):", "if False:",
        "test_webhooks.py::test_a_name_that_leads_inside_is_refused_when_it_is_called",
    ),
]  # fmt: skip
STAFF = [
    _in_code(
        "a session ends with its password", "payments/models/people.py", "bound = (self.password, ", "bound = (",
        "test_staff_door.py::test_a_session_ends_when_password_role_active_flag_or_a_lost_factor_changes",
    ),
    _in_code(
        "a session ends with its roles", "payments/models/people.py", "self.is_superuser, roles, ", "self.is_superuser, ",
        "test_staff_door.py::test_a_session_ends_when_password_role_active_flag_or_a_lost_factor_changes",
    ),
    _in_code(
        "a session ends with a lost factor", "payments/models/people.py", ", self.factor_reset_at)", ")",
        "test_staff_door.py::test_a_session_ends_when_password_role_active_flag_or_a_lost_factor_changes",
    ),
    _in_code(
        "guesses at one account are counted", "checkout/views/accounts.py", '"sign_in_as", email, most=10,',
        '"sign_in_as", email, most=10**6,', "test_staff_door.py::test_a_thousand_guesses_are_twenty_at_most",
    ),
    _in_code(
        "guesses from one address are counted", "checkout/views/accounts.py", '@limited("sign_in", most=20,',
        '@limited("sign_in", most=10**6,', "test_staff_door.py::test_a_thousand_guesses_are_twenty_at_most",
    ),
    _in_code(
        "second factors are counted", "payments/views/staff_door.py", "if not wait and _proves(", "if _proves(",
        "test_staff_door.py::test_wrong_codes_are_counted_and_soon_refused",
    ),
    _in_code(
        "only a role that asks asks", "payments/services/approve_refund.py",
        'if not person.has_perm("payments.request_refund"):', "if False:",
        "test_approve_refund.py::test_without_the_right_nobody_asks_approves_or_rejects",
    ),
    _in_code(
        "only a role that approves decides", "payments/services/approve_refund.py",
        'if not person.has_perm("payments.approve_refund"):', "if False:",
        "test_approve_refund.py::test_without_the_right_nobody_asks_approves_or_rejects",
    ),
    _in_code(
        "only a role that plans plans", "payments/services/plan_batch.py",
        'if not person.has_perm("payments.request_bulk_refund"):', "if False:",
        "test_bulk_refund.py::test_who_may_not_plans_confirms_and_approves_nothing",
    ),
    _in_code(
        "only who planned it, and still may, confirms", "payments/services/bulk_refund.py",
        'if batch.requested_by_id != person.pk or not person.has_perm("payments.request_bulk_refund"):', "if False:",
        "test_bulk_refund.py::test_who_may_not_plans_confirms_and_approves_nothing",
    ),
    _in_code(
        "who lost the right confirms no more", "payments/services/bulk_refund.py",
        ' or not person.has_perm("payments.request_bulk_refund"):', ":",
        "test_bulk_refund.py::test_who_may_not_plans_confirms_and_approves_nothing",
    ),
    _in_code(
        "only who asked or may approve stops", "payments/services/bulk_refund.py", "if not may_stop(batch, person):",
        "if False:", "test_bulk_refund.py::test_who_may_not_stops_nothing_and_what_is_over_is_not_stopped",
    ),
    _in_code(
        "stopping takes back what was approved too", "payments/services/bulk_refund.py",
        "refund__state__in=(Refund.State.REQUESTED, Refund.State.APPROVED)", "refund__state=Refund.State.REQUESTED",
        "test_bulk_refund.py::test_who_asked_stops_it_half_way_and_what_has_left_is_followed",
    ),
    _in_code(
        "a worker sees that a batch is stopped", "payments/services/bulk_refund.py",
        " or not RefundBatch.objects.filter(pk=batch.pk, state=batch.state).exists():", ":",
        "test_bulk_refund.py::test_stopping_while_it_asks_leaves_the_rest_unasked",
    ),
    Guard(
        "an order of a batch is asked for once", "DROP TRIGGER refundbatchitem_moves ON payments_refundbatchitem",
        "test_bulk_refund.py::test_what_was_planned_is_what_is_asked_for_says_the_database",
    ),
    _in_code(
        "a form made by hand is refused", "payments/admin/forms.py",
        'if strange := set(request.POST) - {"csrfmiddlewaretoken", *names}:', "if strange := set[str]():",
        "test_staff_pages.py::test_hidden_fields_change_neither_whose_order_nor_who_asks",
    ),
    _in_code(
        "no second refund while one is in doubt", "payments/services/approve_refund.py",
        "if attempt.refunds.filter(in_doubt=True).exists():", "if False:",
        "test_send_refunds.py::test_nobody_refunds_anew_while_the_first_has_no_certain_answer",
    ),
    _in_code(
        "a form that saw another sum asks for nothing", "payments/services/approve_refund.py",
        "if seen_refundable is not None and seen_refundable != refundable(attempt):", "if False:",
        "test_approve_refund.py::test_the_form_is_refused_when_somebody_refunded_meanwhile",
    ),
    _in_code(
        "an order whose charge is in doubt is not charged anew", "payments/services/charge_barcode.py",
        "if Transaction.objects.unsettled().filter(order=order, scene=Scene.COUNTER).exists():", "if False:",
        "test_counter.py::test_an_order_whose_charge_was_set_aside_in_doubt_is_not_charged_anew",
    ),
    _in_code(
        "a cancel without an answer is no cancel", "payments/services/cancel_charge.py",
        "        case Unknown():\n            Transaction", UNKNOWN_IS_NO,
        "test_counter.py::test_a_cancel_whose_answer_is_lost_is_repeated_until_it_is_known",
    ),
]  # fmt: skip
GUARDS = [*LOCKS, *GUARDED_UPDATES, *GATES, *CONSTRAINTS, *PEOPLE, *STAFF]
