"""How much a member of staff has let go alone on one day: a counter that two requests at once can't both squeeze past."""

from datetime import date

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from payments.fields import internal

SPEND = """
INSERT INTO payments_staffday AS d (person_id, day, alone_fen) SELECT %(person)s, %(day)s, %(fen)s WHERE %(fen)s <= %(most)s
ON CONFLICT (person_id, day) DO UPDATE SET alone_fen = d.alone_fen + excluded.alone_fen
WHERE d.alone_fen + excluded.alone_fen <= %(most)s
"""


class StaffDay(models.Model):
    person = internal(models.ForeignKey("payments.User", models.PROTECT, related_name="days"))
    day = internal(models.DateField(_("day")))
    alone_fen = internal(models.BigIntegerField(_("refunded without a second person (fen)")))

    class Meta:
        verbose_name = _("day of a member of staff")
        verbose_name_plural = _("days of staff")
        constraints = (models.UniqueConstraint(fields=["person", "day"], name="staff_day_once"),)

    def __str__(self) -> str:
        return f"{self.person_id} {self.day}"


def spend(person_id: int, fen: int, *, day: date, most: int) -> bool:
    """Count this much as let go alone on the day (Asia/Shanghai). False, and nothing counted, when it would exceed `most`."""
    with connection.cursor() as cursor:
        cursor.execute(SPEND, {"person": person_id, "day": day, "fen": fen, "most": most})
        return bool(cursor.rowcount == 1)
