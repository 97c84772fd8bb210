"""A day is read when every kind of bill it should have is: then it can be compared."""

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from payments.models import AuditEvent, BillDay, BillFile

State = BillDay.State


def wanted_kinds(day: BillDay) -> list[BillFile.Kind]:
    """The kinds of bill that the day should have and has not."""
    have = set(day.files.filter(state=BillFile.State.IMPORTED).values_list("kind", flat=True))
    return [BillFile.Kind(kind) for kind in settings.BILL_KINDS if kind not in have]


def note_imported(day: BillDay) -> bool:
    """Move a day on whose bills are all read. True for the one who did it. In a commit of its own."""
    if wanted_kinds(day):
        return False
    with transaction.atomic():
        lines = sum(file.lines or 0 for file in day.files.filter(state=BillFile.State.IMPORTED))
        moved = BillDay.objects.filter(pk=day.pk, state__in=(State.EXPECTED, State.FETCHING)).update(
            state=State.IMPORTED, imported_at=Now(), due_at=Now(), leased_until=None, version=F("version") + 1,
            content=BillDay.Content.LINES if lines else BillDay.Content.EMPTY, last_error="",
        )  # fmt: skip
        if moved:
            AuditEvent.objects.add(day, "imported", actor="bills", cause=f"lines:{lines}", state=State.IMPORTED)
    return moved == 1
