"""The shop of a world: its account, keys and goods, made once per database."""

import random
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from checkout.models import Category, Product, Variant
from payments.models import AlipayKey, MerchantAccount
from payments.sandbox.alipay import Identity
from payments.sandbox.identity import identity_in
from tests.simulation.ground import START

PRICES = (1, 333, 12_800)


@cache
def identity() -> tuple[Identity, Path]:
    """Numbers and keys of both sides, made once per process."""
    folder = Path(_folder().name)
    return identity_in(folder, random.Random(7)), folder


@cache
def _folder() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="jz-alipay-")


@cache
def next_key() -> RSAPrivateKey:
    """The key Alipay signs with after a rotation."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def merchant() -> MerchantAccount:
    """The account, made once per database; keys added by rotations go with each history."""
    numbers, folder = identity()
    account, made = MerchantAccount.objects.get_or_create(
        app_id=numbers.app_id,
        defaults={
            "seller_id": numbers.seller_id, "name": "山间茶铺", "gateway_url": "https://alipay.example/gateway.do"
        },
    )  # fmt: skip
    since = START - timedelta(days=1)
    if made:
        for kind, name in (("app_private", "app_private_key.pem"), ("alipay_public", "alipay_public_key.pem")):
            AlipayKey.objects.create(account=account, kind=kind, key=(folder / name).read_text(), valid_from=since)
    return account


def goods() -> list[Variant]:
    """One variant a price, the cheapest first."""
    tea, _ = Category.objects.get_or_create(slug="tea", defaults={"name_zh": "茶", "name_en": "Tea"})
    for fen in PRICES:
        words = {"category": tea, "name_zh": f"茶 {fen}", "name_en": f"Tea {fen}"}
        product, _ = Product.objects.get_or_create(slug=f"tea-{fen}", defaults=words)
        Variant.objects.get_or_create(
            sku=f"T-{fen}", defaults={"product": product, "name_zh": "50 克", "name_en": "50 g", "price_fen": fen}
        )
    return list(Variant.objects.filter(sku__startswith="T-").order_by("price_fen"))
