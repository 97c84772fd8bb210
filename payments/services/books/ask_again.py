"""A person does not want to wait for the hour: a day's bills are fetched, or compared, with the next ring of the bell."""

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from payments.models import AuditEvent, BillDay

State = BillDay.State


def fetch_now(day: BillDay, *, actor: str) -> bool:
    """Have a day that lacks bills fetched now. False where somebody is at it, or nothing is lacking."""
    return _due(day, (State.EXPECTED, State.FETCHING), "fetch_wanted", actor=actor)


def compare_now(day: BillDay, *, actor: str) -> bool:
    """Have a day whose bills are read compared once more. False where somebody is at it, or it is closed."""
    with transaction.atomic():
        again = BillDay.objects.filter(pk=day.pk, state=State.MATCHED).update(
            state=State.IMPORTED, version=F("version") + 1
        )
        if again:
            AuditEvent.objects.add(day, "compare_wanted", actor=actor, state=State.IMPORTED)
        return _due(day, (State.IMPORTED,), "compare_due", actor=actor)


def _due(day: BillDay, states: tuple[BillDay.State, ...], action: str, *, actor: str) -> bool:
    with transaction.atomic():
        free = Q(leased_until=None) | Q(leased_until__lte=Now())
        moved = BillDay.objects.filter(free, pk=day.pk, state__in=states).update(due_at=Now(), leased_until=None)
        if moved:
            AuditEvent.objects.add(day, action, actor=actor)
    return moved == 1
