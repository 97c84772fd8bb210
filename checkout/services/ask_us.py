"""A buyer needs a person: the question becomes a case that somebody owns."""

from django.db import transaction
from django.db.models import Count, Q

from checkout.models import Question
from payments.models import Case, CaseEvent, Order, User


def ask_us(order: Order, *, text: str, email: str = "") -> Case:
    """Keep the question sealed and open the order's case, or add to the one that is open.

    email  where the answer goes when the order has no address
    The case goes to whoever may work on cases and has the fewest open; without such a person it waits in the queue.
    """
    with transaction.atomic():
        question = Question.objects.create(order=order, text=text, email=email or None)
        kind, subject = Case.Kind.BUYER_ASKS, f"order:{order.pk}"
        Case.objects.open_once(
            kind, subject, evidence=f"question:{question.pk}", amount_fen=order.total_fen,
            number=order.number,
        )  # fmt: skip
        case = Case.objects.open().get(kind=kind, subject=subject)
        owner = _who_is_free() if case.owner_id is None else None
        if owner is not None:
            Case.objects.mark_assigned(case, owner.pk, actor="rule:fewest_open")
            case.refresh_from_db()
        CaseEvent.objects.create(case=case, action="asked", actor="buyer", note=f"question:{question.pk}")
    return case


def _who_is_free() -> User | None:
    may = Q(is_superuser=True) | Q(groups__permissions__codename="work_case")
    busy = Count("case", filter=Q(case__state__in=Case.UNENDED), distinct=True)
    return User.objects.filter(may, is_active=True, is_staff=True).annotate(busy=busy).order_by("busy", "pk").first()
