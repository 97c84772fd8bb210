"""A small `make reconcile-proof` within one process: what is planted is found and nothing besides, also after a death."""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
import pytest
from django.db import connection

from config.local.proofs.planted_bills import bills
from config.local.proofs.planting import PLANTS, Planted, Truth, planted
from config.local.proofs.reconciling import ACCOUNT, FOUND, RESULT, load
from payments.models import BillDay, BillFile, MerchantAccount
from payments.services.books.reconcile import reconcile_day
from payments.services.books.upload import upload_bill
from tests.conftest import empty_tables

LINES, DIFFERENCES = 200, len(PLANTS)


class Died(BaseException):
    """As if the process had been killed: nobody below catches it, and what was not committed is gone."""


@pytest.fixture
def both(committed_db, clocks, settings) -> Planted:
    clocks(fee_rate="0.006", bill_wait_s=100 * 365 * 86400)
    settings.BILL_KINDS = ["trade", "signcustomer"]
    return planted(LINES, DIFFERENCES, seed=5)


def begin(both: Planted) -> None:
    """Our side of the day, in empty tables whose ids begin anew: they stand in what is compared."""
    empty_tables()
    name = connection.settings_dict["NAME"]
    with psycopg.connect(host=os.environ["TEST_SOCKETS"], user="postgres", dbname=name) as superuser:
        superuser.execute(ACCOUNT)
        load(both, superuser.cursor())


def reconcile(both: Planted) -> None:
    account = MerchantAccount.objects.get()
    for (name, kind), packed in [*bills(both).items()][:4]:
        file = upload_bill(
            account, date.fromisoformat(name), io.BytesIO(packed), kind=BillFile.Kind(kind), actor="staff:1"
        )
        reconcile_day(BillDay.objects.select_related("account").get(pk=file.day_id))


@contextmanager
def counted(dies_at: int = 0) -> Iterator[Callable[[], int]]:
    count = 0

    def note(execute: Callable[..., Any], *about: Any) -> Any:
        nonlocal count
        count += 1
        if count == dies_at:
            raise Died
        return execute(*about)

    with connection.execute_wrapper(note):
        yield lambda: count


def result() -> str:
    digest = hashlib.sha256()
    for query in RESULT:
        with connection.cursor() as cursor:
            cursor.execute(query.replace("%", "%%"), [])
            digest.update("\n".join(sorted(str(row) for row in cursor.fetchall())).encode())
    return digest.hexdigest()


@pytest.mark.rows("F67", "F68", "I-32")
def test_all_that_is_planted_is_found_nothing_else_is_and_a_death_changes_nothing(both):
    begin(both)
    with counted() as taken:
        reconcile(both)
    with connection.cursor() as cursor:
        cursor.execute(FOUND)
        found = Counter(Truth(*row) for row in cursor.fetchall())
    whole = result()

    assert found == Counter(both.truth)
    reconcile(both)
    assert result() == whole, "the same files again change nothing"
    begin(both)
    with counted(dies_at=taken() * 2 // 3), pytest.raises(Died):
        reconcile(both)
    reconcile(both)
    assert result() == whole
