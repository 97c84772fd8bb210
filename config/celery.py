"""Celery: the muscle. Beat only rings bells; what is due, and who is at it, stands in the database."""

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging

warnings.filterwarnings("ignore", category=SecurityWarning)  # about root and pickle; only JSON is accepted here
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
app = Celery("jiezhang")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["payments", "checkout"])
# Bells in seconds, kept in memory: a bell that is missed or rung twice changes nothing.
app.conf.beat_scheduler = "celery.beat:Scheduler"
app.conf.beat_schedule = {
    "tidy_old_carts": {"task": "checkout.tasks.tidy_old_carts", "schedule": 3600.0, "options": {"expires": 3600}},
    "tell_who_waits": {"task": "checkout.tasks.tell_who_waits", "schedule": 60.0, "options": {"expires": 60}},
}
app.conf.beat_schedule |= {
    name: {"task": f"payments.tasks.{name}", "schedule": float(every), "options": {"expires": max(every, 10)}}
    for name, every in {
        "poll_unsettled": 1,
        "close_due": 2,
        "send_refunds": 1,
        "go_on_with_bulk_refunds": 2,
        "lapse_refund_requests": 60,
        "end_dead_calls": 10,
        "relay_outbox_messages": 1,
        "deliver_webhooks": 1,
        "announce_cases": 5,
        "announce_bill_days": 30,
        "keep_house": 3600,
        "watch_certificates_end": 600,
        "seal_audit": 20,
        "check_books_nightly": 600,
        "tend_books": 60,
        "escalate_overdue_cases": 60,
    }.items()
}


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Celery leaves logging alone when this signal has a receiver; the settings have configured it already."""
