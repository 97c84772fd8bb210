"""The one clock that decides about money: the database's."""

from datetime import UTC, datetime

from django.db import connection


def database_now() -> datetime:
    """The database's time of day now, aware, UTC. Doors ask once and hand it on as data."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0].astimezone(UTC)
