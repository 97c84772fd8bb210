"""An account in certificate mode, from connecting it to answers and notices."""

import random
from base64 import b64encode
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.core.management import CommandError

from payments import gateway
from payments.alipay import requests
from payments.alipay.certificates import alipay_root_cert_sn, app_cert_sn, load_certificate
from payments.alipay.envelope import read_answer
from payments.alipay.keys import load_private_key
from payments.alipay.signing import request_text, sign, verifies
from payments.credentials import credentials_of
from payments.errors import BadKey, BadSignature
from payments.models import AlipayKey, Case, Duty, MerchantAccount, Transaction
from payments.models.clock import database_now
from payments.sandbox.identity import identity_in
from payments.services.watch_certificates import watch_certificates
from tests.payments.alipay.making import SM2_ROOT, certificate
from tests.payments.test_commands import run

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def folder(identity, tmp_path):
    """A folder as a merchant has it after downloading: numbers, our key, three certificate files, the AES key."""
    numbers, source = identity
    for name in ("app_id", "seller_id", "app_private_key.pem"):
        (tmp_path / name).write_text((source / name).read_text())
    ours = load_private_key((source / "app_private_key.pem").read_text()).public_key()
    (tmp_path / f"appCertPublicKey_{numbers.app_id}.crt").write_text(certificate(ours, serial=1001))
    theirs = certificate(numbers.alipay_key.public_key(), serial=2001)
    (tmp_path / "alipayCertPublicKey_RSA2.crt").write_text(theirs)
    (tmp_path / "alipayRootCert.crt").write_text(certificate(ours, serial=1) + SM2_ROOT + certificate(ours, serial=2))
    (tmp_path / "aes_key").write_text(b64encode(bytes(range(16))).decode())
    return tmp_path


def connect(folder, **options) -> MerchantAccount:
    run("connect_alipay", gateway="sandbox", name="茶铺", folder=folder, mode="certificate", **options)
    return MerchantAccount.objects.get()


def text(folder, name: str) -> str:
    return (folder / name).read_text()


def test_connecting_keeps_the_files_sealed_and_says_the_mode(db, folder):
    account = connect(folder)

    assert account.mode == "certificate"
    assert sorted(AlipayKey.objects.values_list("kind", flat=True)) == [
        "alipay_cert", "alipay_root", "app_cert", "app_private",
    ]  # fmt: skip


def test_connecting_twice_doubles_nothing(db, folder):
    connect(folder)
    connect(folder)

    assert AlipayKey.objects.count() == 4


def test_requests_carry_both_numbers_and_sign_them(db, folder):
    who = gateway.merchant_of(connect(folder)).who

    signed = requests.signed(requests.query("A1"), who=who, at=database_now())

    params = dict(parse_qsl(f"{signed.query}&{signed.body}"))
    assert params["app_cert_sn"] == app_cert_sn(text(folder, f"appCertPublicKey_{who.app_id}.crt"))
    assert params["alipay_root_cert_sn"] == alipay_root_cert_sn(text(folder, "alipayRootCert.crt"))
    assert verifies(request_text(params).encode(), params["sign"], [who.app_key.public_key()])


def notice(says, attempt: Transaction, key: RSAPrivateKey, **changes: str) -> bytes:
    return says.body(says.signed(says.fields(attempt, **changes), key=key))


@pytest.fixture
def attempt(db, folder, make_order, make_attempt) -> Transaction:
    connect(folder)
    return make_attempt(make_order())


def test_a_notice_is_verified_with_the_certificate_it_names(attempt, folder, says, client):
    number = app_cert_sn(text(folder, "alipayCertPublicKey_RSA2.crt"))
    body = notice(says, attempt, says.who.alipay_key, alipay_cert_sn=number)

    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"


def test_a_notice_that_names_no_certificate_is_verified_too(attempt, says, client):
    assert client.post("/alipay/notify", says.notice(attempt), content_type=FORM).content == b"success"


@pytest.mark.rows("F70")
def test_a_certificate_we_do_not_hold_verifies_nothing(attempt, says, client):
    body = notice(says, attempt, says.who.alipay_key, alipay_cert_sn="0" * 32)

    assert client.post("/alipay/notify", body, content_type=FORM).status_code == 400


@pytest.mark.rows("F69")
def test_old_and_new_certificate_verify_side_by_side_and_the_old_one_stops_when_it_ends(
    attempt, folder, tmp_path_factory, says, make_order, make_attempt, client
):
    newer = identity_in(tmp_path_factory.mktemp("newer"), random.Random(3)).alipay_key
    before = app_cert_sn(text(folder, "alipayCertPublicKey_RSA2.crt"))
    (folder / "alipayCertPublicKey_RSA2.crt").write_text(certificate(newer.public_key(), serial=2002))
    after = app_cert_sn(text(folder, "alipayCertPublicKey_RSA2.crt"))
    connect(folder)
    signers = ((says.who.alipay_key, before), (newer, after))

    for key, number in signers:
        body = notice(says, make_attempt(make_order()), key, alipay_cert_sn=number)
        assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"

    oldest = AlipayKey.objects.filter(kind="alipay_cert").earliest("id")
    AlipayKey.objects.filter(pk=oldest.pk).update(valid_until=database_now())
    gateway.merchants(refresh=True)
    codes = [
        client.post(
            "/alipay/notify", notice(says, make_attempt(make_order()), key, alipay_cert_sn=number), content_type=FORM
        ).status_code
        for key, number in signers
    ]
    assert codes == [400, 200]


def test_a_certificate_verifies_only_what_names_it(attempt, folder, tmp_path_factory, says, client):
    newer = identity_in(tmp_path_factory.mktemp("newer"), random.Random(3)).alipay_key
    named = app_cert_sn(text(folder, "alipayCertPublicKey_RSA2.crt"))
    (folder / "alipayCertPublicKey_RSA2.crt").write_text(certificate(newer.public_key(), serial=2002))
    connect(folder)

    assert (
        client.post("/alipay/notify", notice(says, attempt, newer, alipay_cert_sn=named), content_type=FORM).status_code
        == 400
    )


@pytest.mark.rows("F70")
def test_an_expired_certificate_of_alipays_verifies_nothing(db, folder, identity):
    ends = database_now() + timedelta(days=1)
    (folder / "alipayCertPublicKey_RSA2.crt").write_text(certificate(identity[0].alipay_key.public_key(), until=ends))
    account = connect(folder)

    assert credentials_of(account, ends - timedelta(seconds=2)).alipay_keys
    with pytest.raises(BadKey, match="no valid Alipay certificate"):
        credentials_of(account, ends + timedelta(seconds=2))


def test_an_account_without_valid_keys_says_so_and_spoils_no_other(db, folder, identity):
    account = connect(folder)
    other = MerchantAccount.objects.create(app_id="2021", seller_id="2088", name="x", gateway_url="http://127.0.0.1:9/")

    assert list(gateway.merchants(refresh=True)) == [account.app_id]
    with pytest.raises(BadKey, match="no valid key of ours"):
        gateway.merchant_of(other)


def test_an_answer_is_verified_with_the_certificate_it_names(db, folder, identity):
    who = gateway.merchant_of(connect(folder)).who
    node = '{"code":"10000","out_trade_no":"A1"}'
    signature = sign(node.encode(), identity[0].alipay_key)
    number = load_certificate(text(folder, "alipayCertPublicKey_RSA2.crt")).sn

    def answer(named: str) -> bytes:
        return f'{{"alipay_trade_query_response":{node},"alipay_cert_sn":"{named}","sign":"{signature}"}}'.encode()

    assert read_answer(answer(number), method="alipay.trade.query", who=who).is_signed
    with pytest.raises(BadSignature, match="certificate of Alipay's that we don't hold"):
        read_answer(answer("f" * 32), method="alipay.trade.query", who=who)


def test_contents_travel_encrypted_where_an_aes_key_was_given_and_plain_again_without(db, folder):
    account = connect(folder, aes_key=folder / "aes_key")
    assert gateway.merchant_of(account).who.content_key == bytes(range(16))

    account = connect(folder)
    assert gateway.merchant_of(account).who.content_key is None


@pytest.mark.rows("F71")
@pytest.mark.parametrize(
    ("file", "holds", "says"),
    [
        ("appCertPublicKey_{app_id}.crt", "another key", "made for another key"),
        ("alipayCertPublicKey_RSA2.crt", "our key", "own public key"),
        ("alipayRootCert.crt", "nothing", "no RSA root"),
        ("alipayCertPublicKey_RSA2.crt", "nothing", "no certificate"),
        ("alipayCertPublicKey_RSA2.crt", "ended", "ended on"),
    ],
)
def test_a_file_in_the_wrong_place_is_named(db, folder, identity, file, holds, says):
    ours = load_private_key(text(folder, "app_private_key.pem")).public_key()
    theirs = identity[0].alipay_key.public_key()
    content = {
        "another key": certificate(theirs), "our key": certificate(ours), "nothing": "",
        "ended": certificate(theirs, until=database_now() - timedelta(seconds=1)),
    }  # fmt: skip
    (folder / file.format(app_id=identity[0].app_id)).write_text(content[holds])

    with pytest.raises(CommandError, match=says):
        connect(folder)
    assert not MerchantAccount.objects.exists()


def app_cert_sn_in_use(account: MerchantAccount) -> str:
    certificates = gateway.merchants(refresh=True)[account.app_id].who.certificates
    assert certificates is not None
    return certificates.app_cert_sn


def test_while_our_own_certificate_is_exchanged_the_newest_one_that_fits_a_key_signs(db, folder, tmp_path_factory):
    account = connect(folder)
    newer = tmp_path_factory.mktemp("newer")
    numbers = identity_in(newer, random.Random(5))
    pem = certificate(numbers.app_public_key, serial=1002)
    AlipayKey.objects.create(account=account, kind="app_cert", key=pem, valid_from=database_now())
    before = text(folder, f"appCertPublicKey_{account.app_id}.crt")
    assert app_cert_sn_in_use(account) == app_cert_sn(before)

    key = text(newer, "app_private_key.pem")
    AlipayKey.objects.create(account=account, kind="app_private", key=key, valid_from=database_now())
    assert app_cert_sn_in_use(account) == app_cert_sn(pem)


@pytest.mark.rows("F70")
def test_a_certificate_that_runs_out_becomes_a_case_at_each_mark_unless_a_newer_one_is_here(db, folder, identity):
    theirs = identity[0].alipay_key.public_key()
    ends = database_now() + timedelta(days=6)
    (folder / "alipayCertPublicKey_RSA2.crt").write_text(certificate(theirs, until=ends, serial=3001))
    connect(folder)
    sn = app_cert_sn(text(folder, "alipayCertPublicKey_RSA2.crt"))

    assert watch_certificates()
    assert list(Case.objects.open().filter(kind="certificate").values_list("subject", flat=True)) == [f"{sn}:7 days"]
    assert not watch_certificates()  # within the hour

    Case.objects.update(state="resolved", ended_at=database_now(), note="a new one is ordered")
    Duty.objects.update(due_at=database_now())
    (folder / "alipayCertPublicKey_RSA2.crt").write_text(certificate(theirs, serial=3002))
    connect(folder)
    assert watch_certificates()
    assert not Case.objects.open().filter(kind="certificate").exists()
