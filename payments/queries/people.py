"""Who the actors in records are, in words: doors, and members of staff by the name colleagues know them by."""

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext_lazy as _

from payments.models import User

DOORS = {
    "notice": _("Alipay's notice"), "poll": _("our question to Alipay"), "closer": _("closing"), "buyer": _("buyer"),
    "gateway": _("Alipay's answer"), "shop": _("shop"), "clock": _("clock"), "refunds": _("refund worker"),
    "cancel": _("cancelling a charge"), "return": _("return from Alipay"), "rule:small": _("rule for small amounts"),
    "rule:fewest_open": _("rule: who has the fewest"), "outbox": _("follow-up worker"),
    "fetch": _("fetching of bills"), "reconcile": _("comparison"), "bills": _("reading of bills"), "bill": _("Alipay's bill"),
    "alipay": _("Alipay"), "webhooks": _("webhooks"), "command": _("a command on the server"), "replay": _("message heard again"),
    "books": _("the day's work on bills"), "rule:automatic": _("rule: by itself"),
    "robot:surplus": _("rule for money beyond an order"),
}  # fmt: skip

PEOPLE = ("staff", "person")  # "staff:7" did it for the shop, "person:7" with their own account


def names(actors: Iterable[str]) -> dict[str, str]:
    """People among these actors: "staff:7" -> "任真". Doors and robots are left out. One query, or none."""
    ids = {
        actor: int(key)
        for actor in actors
        for kind, _colon, key in [actor.partition(":")]
        if kind in PEOPLE and key.isdecimal()
    }
    people = {person.pk: str(person) for person in User.objects.filter(pk__in=ids.values())} if ids else {}
    return {actor: people[key] for actor, key in ids.items() if key in people}


def said(actor: str, people: Mapping[str, str]) -> object:
    """An actor in words; what neither a door nor among `people` is stays as it is written."""
    return DOORS.get(actor) or people.get(actor, actor)
