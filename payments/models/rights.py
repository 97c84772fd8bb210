"""What the application's database role may do: one table, applied after every migrate."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import connections

# Everything not named here: select, insert, update, delete. Nothing anywhere: DDL, TRUNCATE.
APPEND_ONLY = (
    "payments_auditevent", "payments_auditseal", "payments_bookscheck", "payments_transfer", "payments_caseevent",
    "payments_orderline", "payments_billpart",
)  # fmt: skip
NEVER_DELETED = (
    "payments_order", "payments_transaction", "payments_gatewaycall", "payments_case", "payments_merchantaccount",
    "payments_alipaykey", "payments_duty", "payments_refund", "payments_staffday",
    "payments_apiclient", "payments_apikey",
    "payments_billday", "payments_billfile", "payments_difference",
    "payments_refundbatch", "payments_refundbatchitem",
)  # fmt: skip
READ_ONLY = (
    "django_migrations",
    "payments_statementline",
)  # lines come in with their file's partition, see migration 0020
FUNCTIONS = ("payments_bill_partition(bigint)", "payments_bill_attach(bigint)")
# Partitions are made between migrations; every GRANT on all tables would open them.
CLOSE_PARTITIONS = """
DO $do$ DECLARE part regclass; BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'payments_statementline'::regclass LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM {role}', part);
    END LOOP;
END $do$
"""


def statements(role: str) -> list[str]:
    """The GRANTs and REVOKEs for this role, in order."""
    return [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        *(f"REVOKE UPDATE, DELETE ON {table} FROM {role}" for table in APPEND_ONLY),
        *(f"REVOKE DELETE ON {table} FROM {role}" for table in NEVER_DELETED),
        *(f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {role}" for table in READ_ONLY),
        CLOSE_PARTITIONS.format(role=role),
        *(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC" for function in FUNCTIONS),
        *(f"GRANT EXECUTE ON FUNCTION {function} TO {role}" for function in FUNCTIONS),
    ]


def apply_rights(sender: AppConfig, using: str, **_: Any) -> None:
    """After migrate, as the owner. A database with one role for everything gets none of this protection."""
    owner, app = connections[using], str(settings.DATABASES["default"]["USER"])
    if using != "owner" or app == settings.DATABASES["owner"]["USER"]:
        return
    with owner.cursor() as cursor:
        for statement in statements(owner.ops.quote_name(app)):
            cursor.execute(statement)
