import uuid

import pytest
from django.apps import apps
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection

from payments.errors import InvalidSeal
from payments.fields import seal, unseal
from payments.models import AlipayKey, MerchantAccount, Order

CLASSES = {"public", "internal", "personal", "secret"}


def test_every_model_field_says_what_it_is():
    unmarked = [
        f"{model.__name__}.{field.name}"
        for label in ("payments", "checkout")
        for model in apps.get_app_config(label).get_models()
        for field in [*model._meta.local_fields, *model._meta.local_many_to_many]
        if getattr(field, "data_class", None) not in CLASSES and not field.auto_created
    ]

    assert unmarked == []


def test_every_secret_that_is_kept_for_use_is_sealed():
    """Passwords, recovery codes, API keys are digests, an order's token must be looked up; every other secret lies sealed."""
    open_secrets = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("payments").get_models()
        for field in model._meta.local_fields
        if getattr(field, "data_class", "") == "secret" and type(field).__name__ != "SealedField"
    }

    assert open_secrets == {"User.password", "RecoveryCode.digest", "Order.token", "ApiKey.digest"}


@pytest.fixture
def key(merchant: MerchantAccount) -> AlipayKey:
    return AlipayKey.objects.create(account=merchant, kind=AlipayKey.Kind.ALIPAY_PUBLIC, key="龙井 secret")


def stored(key: AlipayKey) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM payments_alipaykey WHERE id = %s", [key.pk])
        return bytes(cursor.fetchone()[0])


def test_a_sealed_value_lies_encrypted_and_reads_back(key: AlipayKey):
    assert b"secret" not in stored(key)
    assert AlipayKey.objects.get(pk=key.pk).key == "龙井 secret"


def test_saving_a_row_again_does_not_seal_twice(key: AlipayKey):
    again = AlipayKey.objects.get(pk=key.pk)
    again.save()

    assert AlipayKey.objects.get(pk=key.pk).key == "龙井 secret"


def test_a_value_that_was_not_loaded_is_fetched_when_read(key: AlipayKey):
    assert AlipayKey.objects.defer("key").get(pk=key.pk).key == "龙井 secret"


def test_null_stays_null(order: Order):
    assert Order.objects.get(pk=order.pk).contact_email is None
    assert Order.objects.filter(contact_email__isnull=True).exists()


def test_a_sealed_value_moved_to_another_row_is_refused(key: AlipayKey, merchant: MerchantAccount):
    other = AlipayKey.objects.create(account=merchant, kind=AlipayKey.Kind.APP_PRIVATE, key="other")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_alipaykey SET key = %s WHERE id = %s", [stored(key), other.pk])

    with pytest.raises(InvalidSeal):
        _ = AlipayKey.objects.get(pk=other.pk).key


def test_an_altered_value_is_refused():
    sealed = bytearray(seal(b"x", place="a.b:1"))
    sealed[-1] ^= 1

    with pytest.raises(InvalidSeal):
        unseal(bytes(sealed), place="a.b:1")


def test_an_older_key_still_opens_and_the_first_one_seals(settings):
    ring = settings.SEAL_KEYS
    old = ring.split(",")[1]
    settings.SEAL_KEYS = old
    sealed = seal(b"x", place="a.b:1")
    settings.SEAL_KEYS = ring

    assert unseal(sealed, place="a.b:1") == b"x"
    assert seal(b"x", place="a.b:1").startswith(ring.split(":")[0].encode() + b":")


def test_a_key_that_is_gone_is_named(settings):
    sealed = seal(b"x", place="a.b:1")
    settings.SEAL_KEYS = "new:" + "C" * 43 + "="

    with pytest.raises(InvalidSeal, match="t2"):
        unseal(sealed, place="a.b:1")


@pytest.mark.parametrize("ring", ["", "k1", "k1:", "k1:short", ":" + "A" * 43 + "=", "k1:" + "é" * 43])
def test_a_broken_ring_is_refused_without_showing_a_key(settings, ring: str):
    settings.SEAL_KEYS = ring

    with pytest.raises(ImproperlyConfigured, match="SEAL_KEYS"):
        seal(b"x", place="a.b:1")


def test_the_same_text_is_never_sealed_alike():
    assert seal(b"x", place="a.b:1") != seal(b"x", place="a.b:1")


def test_sealed_values_can_be_neither_searched_nor_written_by_update(key: AlipayKey):
    with pytest.raises(FieldError):
        AlipayKey.objects.filter(key="龙井 secret").exists()
    with pytest.raises(FieldError):
        AlipayKey.objects.filter(pk=key.pk).update(key="plain")


def test_a_seal_is_bound_to_an_id_made_before_saving():
    assert isinstance(AlipayKey(kind="x").seal_id, uuid.UUID)
