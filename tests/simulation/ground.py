"""The database of a proof: a copy of the migrated one whose clock is ours to move, emptied before each history.

The clock is a schema found before PostgreSQL's own functions. Only the owner of the tables can make one, no setting
names it, and no database of a shop has it: time can't be moved anywhere else.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import connection, connections
from django.db.models import Model
from psycopg import sql

from config.local.servers import APP, OWNER
from config.local.testing import TEMPLATE

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # ten in the morning in Shanghai
CLOCKS: tuple[LiteralString, ...] = ("clock_timestamp", "statement_timestamp", "transaction_timestamp", "now")
KEPT = {"payments_merchantaccount", "payments_alipaykey", "checkout_category", "checkout_product", "checkout_variant"}


class Ground:
    """A database under a clock. Times are aware, UTC; the clock stands still until it is moved."""

    def __init__(self, sockets: str, name: str) -> None:
        self.now = START
        self._admin = psycopg.connect(host=sockets, user="postgres", dbname=name, autocommit=True)
        tables = [model._meta.db_table for label in ("payments", "checkout") for model in _models(label)]
        emptied = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables if table not in KEPT]
        rotated = sql.SQL("DELETE FROM payments_alipaykey WHERE valid_from >= {}").format(START)
        self._empty = sql.SQL("; ").join([sql.SQL("SET session_replication_role = replica"), *emptied, rotated])

    def empty(self) -> None:
        """Everything is gone, and it is ten o'clock again."""
        self._admin.execute(self._empty)
        self.set(START)

    def advance(self, by: timedelta) -> None:
        self.set(self.now + by)

    def set(self, now: datetime) -> None:
        self.now = now
        self._admin.execute("UPDATE proof.clock SET at = %s", [now])

    def has_trade(self, out_trade_no: str) -> bool:
        """Whether Alipay's number of this attempt is committed here; seen by an onlooker of its own."""
        found = self._admin.execute(
            "SELECT FROM payments_transaction WHERE out_trade_no = %s AND trade_no IS NOT NULL", [out_trade_no]
        )  # fmt: skip
        return found.fetchone() is not None

    def close(self) -> None:
        self._admin.close()


@contextlib.contextmanager
def ground(sockets: str, name: str) -> Iterator[Ground]:
    """Make the database, have Django use it meanwhile, and drop it at the end."""
    with psycopg.connect(host=sockets, user="postgres", dbname="postgres", autocommit=True) as admin:
        made = {"name": sql.Identifier(name), "owner": sql.Identifier(OWNER), "template": sql.Identifier(TEMPLATE)}
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)").format(**made))
        admin.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}").format(**made))
        admin.execute(sql.SQL("ALTER DATABASE {name} SET search_path = proof, pg_catalog, public").format(**made))
        admin.execute(sql.SQL("ALTER DATABASE {name} SET synchronous_commit = on").format(**made))
        with psycopg.connect(host=sockets, user=OWNER, dbname=name, autocommit=True) as owner:
            _install_clock(owner)
        with _django_on(name):
            under_us = Ground(sockets, name)
            try:
                yield under_us
            finally:
                under_us.close()
        admin.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**made))


def _install_clock(owner: "psycopg.Connection[tuple[object, ...]]") -> None:
    owner.execute("CREATE SCHEMA proof")
    owner.execute("CREATE TABLE proof.clock (at timestamptz NOT NULL)")
    owner.execute("INSERT INTO proof.clock VALUES (%s)", [START])
    for name in CLOCKS:
        body = sql.SQL(
            "CREATE FUNCTION proof.{}() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM proof.clock'"
        )
        owner.execute(body.format(sql.Identifier(name)))
    app = sql.Identifier(APP)
    owner.execute(sql.SQL("GRANT USAGE ON SCHEMA proof TO {}").format(app))
    owner.execute(sql.SQL("GRANT SELECT ON proof.clock TO {}").format(app))
    defaults = owner.execute(
        "SELECT d.adrelid::regclass::text, a.attname FROM pg_attrdef d"
        " JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
        " WHERE d.adrelid::regclass::text ~ '^(public\\.)?(payments|checkout)_'"
        " AND pg_get_expr(d.adbin, d.adrelid) ~* 'statement_timestamp|now\\(\\)'"
    ).fetchall()
    for table, column in defaults:  # a default was bound to PostgreSQL's own clock when its column was made
        bound = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT proof.statement_timestamp()")
        owner.execute(bound.format(sql.Identifier(*str(table).split(".")), sql.Identifier(str(column))))


@contextlib.contextmanager
def _django_on(name: str) -> Iterator[None]:
    before = {alias: settings.DATABASES[alias]["NAME"] for alias in connections}
    _switch(dict.fromkeys(before, name))
    try:
        yield
    finally:
        _switch(before)


def _switch(names: dict[str, object]) -> None:
    for alias, name in names.items():
        connections[alias].close()
        settings.DATABASES[alias]["NAME"] = connections[alias].settings_dict["NAME"] = name
    connection.close()


def _models(label: str) -> list[type[Model]]:
    return list(apps.get_app_config(label).get_models(include_auto_created=True))
