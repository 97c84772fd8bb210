"""Celery's doors: each wakes one sweep. Due times are columns, so a task may run twice, late or never."""

from celery import shared_task

from payments.services import announce as announcing
from payments.services import (
    approve_refund,
    bulk_refund,
    check_books,
    close,
    housekeeping,
    poll,
    relay_outbox,
    sweep,
    watch_certificates,
    work_cases,
)
from payments.services import deliver_webhooks as delivering
from payments.services import seal_audit as sealing
from payments.services import send_refunds as sending
from payments.services.books import tend


@shared_task(ignore_result=True, soft_time_limit=170)  # under the lease: 500 ÷ 50 connections × 15 s + 30 s
def poll_unsettled(**_from_newer_callers: object) -> None:
    """Ask Alipay about attempts whose next check has come."""
    poll.ask_about_due(limit=500)


@shared_task(ignore_result=True, soft_time_limit=50)  # under the lease: 100 ÷ 50 connections × 15 s + 30 s
def close_due(**_from_newer_callers: object) -> None:
    """Close attempts and orders whose time and grace are over."""
    close.close_due(limit=100)


@shared_task(ignore_result=True, soft_time_limit=80)  # a refund begun within the first 30 s ends within 2 × 15 s
def send_refunds(**_from_newer_callers: object) -> None:
    """Bring refunds that are due a step further: send them, or ask what became of them."""
    sending.send_due(limit=20, begin_within_s=30)


@shared_task(ignore_result=True, soft_time_limit=50)
def lapse_refund_requests(**_from_newer_callers: object) -> None:
    """End requests for refunds that nobody decided in time."""
    approve_refund.lapse_requests(limit=100)


@shared_task(ignore_result=True, soft_time_limit=50)  # under the lease of a minute
def go_on_with_bulk_refunds(**_from_newer_callers: object) -> None:
    """Ask for, or approve, the next orders of a bulk refund."""
    bulk_refund.go_on(seconds=20)


@shared_task(ignore_result=True, soft_time_limit=25)
def end_dead_calls(**_from_newer_callers: object) -> None:
    """End the calls of processes that died, and have what they were about asked."""
    sweep.end_dead_calls(limit=100)


@shared_task(ignore_result=True, soft_time_limit=25)
def relay_outbox_messages(**_from_newer_callers: object) -> None:
    """Deliver follow-ups that are due."""
    relay_outbox.relay_outbox(limit=100)


@shared_task(ignore_result=True, soft_time_limit=40)  # under the lease of 60 s
def deliver_webhooks(**_from_newer_callers: object) -> None:
    """Bring what is due to the shop's own systems."""
    delivering.deliver_webhooks()


@shared_task(ignore_result=True, soft_time_limit=25)
def announce_cases(**_from_newer_callers: object) -> None:
    """Tell webhooks about new cases."""
    announcing.announce_cases(limit=100)


@shared_task(ignore_result=True, soft_time_limit=25)
def announce_bill_days(**_from_newer_callers: object) -> None:
    """Tell webhooks about bill days that were compared or closed."""
    announcing.announce_bill_days(limit=100)


@shared_task(ignore_result=True, soft_time_limit=300)
def keep_house(**_from_newer_callers: object) -> None:
    """Once a day: remove what nobody needs any more."""
    housekeeping.keep_house()


@shared_task(ignore_result=True, soft_time_limit=240)  # under the duty's lease of 5 minutes
def seal_audit(**_from_newer_callers: object) -> None:
    """Once a minute: seal new audit events."""
    sealing.seal_audit()


@shared_task(ignore_result=True, soft_time_limit=1500)  # under the duty's lease of 30 minutes
def check_books_nightly(**_from_newer_callers: object) -> None:
    """Once a night: look whether the books hold together."""
    check_books.check_nightly()


@shared_task(ignore_result=True, soft_time_limit=240)  # under the duty's lease of 5 minutes
def watch_certificates_end(**_from_newer_callers: object) -> None:
    """Once an hour: say early which certificates run out."""
    watch_certificates.watch_certificates()


@shared_task(ignore_result=True, soft_time_limit=50)
def escalate_overdue_cases(**_from_newer_callers: object) -> None:
    """Say which cases nobody has ended in time."""
    work_cases.escalate_overdue(limit=500)


@shared_task(ignore_result=True, soft_time_limit=3500)  # under the lease of a day, 1 hour
def tend_books(**_from_newer_callers: object) -> None:
    """Fetch the bills of days that are over, compare them with our books, and age what waits."""
    tend.tend_books(limit=10)
