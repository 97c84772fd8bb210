"""Passkeys: only the ceremony that was begun here, signed by a key we know, for the person it belongs to."""

import hashlib
import json
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode

from payments.errors import PasskeyRefused
from payments.models import AuditEvent, Passkey, User
from payments.services import passkeys

pytestmark = pytest.mark.django_db
SITE = "https://shop.example"
SEEN, CHECKED, NEW_KEY = 0x01, 0x04, 0x40


class Device:
    """A phone or security key of the person's, as the browser speaks for it. Counts its uses."""

    def __init__(self, *, origin: str = SITE, site: str = "shop.example", flags: int = SEEN | CHECKED) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id, self.handle, self.uses = b"device-one-0123456789", b"", 0
        self.origin, self.site, self.flags = origin, site, flags

    def make(self, options: dict) -> dict:
        self.handle = websafe_decode(options["user"]["id"])
        public = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        data = self._data(NEW_KEY) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": websafe_encode(said), "attestationObject": websafe_encode(attested)})

    def sign(self, options: dict) -> dict:
        self.uses += 1
        data, said = self._data(), self._said("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        return self._answer({
            "clientDataJSON": websafe_encode(said), "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature), "userHandle": websafe_encode(self.handle),
        })  # fmt: skip

    def _data(self, more: int = 0) -> bytes:
        return hashlib.sha256(self.site.encode()).digest() + bytes([self.flags | more]) + struct.pack(">I", self.uses)

    def _said(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict) -> dict:
        return {
            "id": websafe_encode(self.id),
            "rawId": websafe_encode(self.id),
            "type": "public-key",
            "response": response,
        }


@pytest.fixture
def lin() -> User:
    return User.objects.create_user("lin@example.com", "a long walk in the hills")


def added(user: User, device: Device) -> Passkey:
    options, state = passkeys.begin_adding(user)
    return passkeys.finish_adding(user, state, device.make(options), name="my phone")


def entered(device: Device) -> User:
    options, state = passkeys.begin_sign_in()
    return passkeys.finish_sign_in(state, device.sign(options))


def test_a_passkey_signs_its_owner_in_as_often_as_they_like(lin):
    device = Device()
    passkey = added(lin, device)

    assert [entered(device), entered(device)] == [lin, lin]
    passkey.refresh_from_db()
    assert (passkey.sign_count, passkey.used_at is not None) == (2, True)
    assert AuditEvent.objects.about(lin).values_list("action", flat=True).get() == "passkey_added"


@pytest.mark.parametrize(
    "strange",
    [Device(origin="https://evil.example"), Device(site="evil.example"), Device(flags=SEEN), Device(flags=CHECKED)],
    ids=["another site's page", "another site's key", "person not checked", "nobody touched it"],
)
def test_a_key_made_elsewhere_or_without_its_person_is_not_added(lin, strange):
    with pytest.raises(PasskeyRefused):
        added(lin, strange)
    assert not Passkey.objects.exists()


def test_an_answer_to_another_question_signs_nobody_in(lin):
    device = Device()
    added(lin, device)
    options, state = passkeys.begin_sign_in()
    heard = device.sign(options)
    assert passkeys.finish_sign_in(state, heard) == lin

    _, other = passkeys.begin_sign_in()
    with pytest.raises(PasskeyRefused):
        passkeys.finish_sign_in(other, heard)


def test_another_key_under_the_same_number_signs_nobody_in(lin):
    device, forged = Device(), Device()
    added(lin, device)
    forged.handle = device.handle

    with pytest.raises(PasskeyRefused):
        entered(forged)


def test_a_key_that_names_another_person_signs_nobody_in(lin):
    device = Device()
    added(lin, device)
    device.handle = b"somebody else"

    with pytest.raises(PasskeyRefused):
        entered(device)


def test_a_copied_key_is_found_out_by_its_counter(lin):
    device = Device()
    added(lin, device)
    entered(device)
    entered(device)
    device.uses = 0

    with pytest.raises(PasskeyRefused):
        entered(device)


def test_closed_accounts_and_removed_passkeys_open_nothing(lin):
    device = Device()
    passkey = added(lin, device)
    User.objects.filter(pk=lin.pk).update(is_active=False)
    with pytest.raises(PasskeyRefused):
        entered(device)

    User.objects.filter(pk=lin.pk).update(is_active=True)
    assert passkeys.remove(lin, passkey.pk)
    with pytest.raises(PasskeyRefused):
        entered(device)


def test_nobody_removes_another_persons_passkey(lin):
    passkey = added(lin, Device())
    other = User.objects.create_user("zhou@example.com", "another long password")

    assert not passkeys.remove(other, passkey.pk)
    assert Passkey.objects.exists()


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"rawId": 7}, {"rawId": "!!", "response": {}}])
def test_what_is_no_answer_is_refused(lin, answer):
    _, state = passkeys.begin_sign_in()
    with pytest.raises(PasskeyRefused):
        passkeys.finish_sign_in(state, answer)
    with pytest.raises(PasskeyRefused):
        passkeys.finish_adding(lin, passkeys.begin_adding(lin)[1], answer, name="x")
