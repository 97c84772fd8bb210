"""Codes of an app and for a lost phone: each works once, about now, for its own person."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from payments.models import AuditEvent, RecoveryCode, User
from payments.services import second_factor

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 0, 10, tzinfo=UTC)
STEP = timedelta(seconds=30)


@pytest.fixture
def ren() -> User:
    return User.objects.create_user("ren@example.com", "a long walk in the hills", is_staff=True)


@pytest.fixture
def key() -> str:
    return second_factor.new_key()


@pytest.fixture
def codes(ren, key) -> list[str]:
    made = second_factor.enrol(ren, key=key, code=second_factor.current_code(key, NOW), now=NOW)
    assert made is not None
    return made


def shown(key: str, at: datetime) -> str:
    return second_factor.current_code(key, at)


def test_the_code_is_that_of_the_standard():
    # RFC 6238, appendix B: the secret "12345678901234567890" shows 94287082 at 59 s, of which an app shows six digits
    assert second_factor.current_code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", datetime.fromtimestamp(59, UTC)) == "287082"


def test_an_app_is_taken_into_use_only_once_it_shows_a_right_code(ren, key):
    assert second_factor.enrol(ren, key=key, code="000000", now=NOW) is None
    assert not second_factor.is_enrolled(ren)


def test_each_code_works_once(ren, key, codes):
    later = NOW + STEP
    assert not second_factor.check_code(ren, shown(key, NOW), now=NOW), "it was used up at enrolment"
    assert second_factor.check_code(ren, shown(key, later), now=later)
    assert not second_factor.check_code(ren, shown(key, later), now=later)


def test_a_phones_clock_may_be_half_a_minute_off_and_no_more(ren, key, codes):
    at = NOW + 10 * STEP
    assert not second_factor.check_code(ren, shown(key, at - 2 * STEP), now=at)
    assert not second_factor.check_code(ren, shown(key, at + 2 * STEP), now=at)
    assert second_factor.check_code(ren, shown(key, at - STEP), now=at)
    assert second_factor.check_code(ren, shown(key, at + STEP), now=at)


def test_a_recovery_code_works_once_however_it_is_typed(ren, codes):
    assert second_factor.check_code(ren, codes[0].upper().replace("-", " "), now=NOW)
    assert not second_factor.check_code(ren, codes[0], now=NOW)
    assert AuditEvent.objects.about(ren).get(action="recovery_code_used").detail == {"left": 9}


def test_nobody_elses_codes_fit(ren, key, codes):
    other = User.objects.create_user("other@example.com", "another long password", is_staff=True)
    at = NOW + STEP

    assert not second_factor.check_code(other, shown(key, at), now=at)
    assert not second_factor.check_code(other, codes[0], now=NOW)


def test_a_new_app_ends_the_old_one_and_its_codes(ren, key, codes):
    fresh = second_factor.new_key()
    assert second_factor.enrol(ren, key=fresh, code=shown(fresh, NOW), now=NOW)

    assert not second_factor.check_code(ren, shown(key, NOW + STEP), now=NOW + STEP)
    assert not second_factor.check_code(ren, codes[0], now=NOW)


def test_neither_key_nor_codes_lie_open_in_the_database(ren, key, codes):
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM payments_codeapp")
        assert key.encode() not in bytes(cursor.fetchone()[0])
    assert not set(RecoveryCode.objects.values_list("digest", flat=True)) & set(codes)


@pytest.mark.parametrize("typed", ["", " ", "12345", "1234567", "０１２３４５", "abcde-fghjk", "x" * 500])
def test_anything_else_is_no_code(ren, codes, typed):
    assert not second_factor.check_code(ren, typed, now=NOW)
