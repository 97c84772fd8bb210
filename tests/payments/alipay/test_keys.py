from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from payments.alipay.keys import load_private_key, load_public_key
from payments.errors import BadKey

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def private(kind: PrivateFormat, form: str, key: rsa.RSAPrivateKey = KEY) -> str:
    if form == "bare":
        return b64encode(key.private_bytes(Encoding.DER, kind, NoEncryption())).decode()
    return key.private_bytes(Encoding.PEM, kind, NoEncryption()).decode()


def public(kind: PublicFormat, form: str, key: rsa.RSAPrivateKey = KEY) -> str:
    if form == "bare":
        return b64encode(key.public_key().public_bytes(Encoding.DER, kind)).decode()
    return key.public_key().public_bytes(Encoding.PEM, kind).decode()


MANGLES = {
    "as it is": lambda text: text,
    "Windows lines": lambda text: text.replace("\n", "\r\n"),
    "blank lines": lambda text: "\n\n" + text.replace("\n", "\n\n") + "\n",
    "spaces around": lambda text: "  \t" + text + "  ",
    "wrapped": lambda text: (
        text if "-----" in text else "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    ),
}


@pytest.mark.parametrize("mangle", MANGLES.values(), ids=MANGLES)
@pytest.mark.parametrize("form", ["PEM", "bare"])
@pytest.mark.parametrize("kind", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_read_however_it_was_pasted(kind, form, mangle):
    assert load_private_key(mangle(private(kind, form))).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("mangle", MANGLES.values(), ids=MANGLES)
@pytest.mark.parametrize("form", ["PEM", "bare"])
@pytest.mark.parametrize("kind", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_a_public_key_is_read_however_it_was_pasted(kind, form, mangle):
    assert load_public_key(mangle(public(kind, form))).public_numbers() == KEY.public_key().public_numbers()


def test_base64_that_lost_its_padding_is_still_a_key():
    bare = public(PublicFormat.PKCS1, "bare")

    assert load_public_key(bare.rstrip("=")).public_numbers() == KEY.public_key().public_numbers()


@pytest.mark.parametrize(
    ("load", "text", "says"),
    [
        (load_private_key, "", "no key"),
        (load_private_key, "not base64 at all!", "neither PEM nor base64"),
        (load_private_key, "QUJD", "not an RSA private key"),
        (load_private_key, public(PublicFormat.SubjectPublicKeyInfo, "PEM"), "public key"),
        (load_private_key, public(PublicFormat.SubjectPublicKeyInfo, "bare"), "public key"),
        (load_private_key, private(PrivateFormat.PKCS8, "PEM", SMALL), "1024 bits"),
        (load_public_key, "", "no key"),
        (load_public_key, "QUJD", "not an RSA public key"),
        (load_public_key, private(PrivateFormat.PKCS8, "PEM"), "private key"),
        (load_public_key, public(PublicFormat.SubjectPublicKeyInfo, "bare", SMALL), "1024 bits"),
        (load_public_key, "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----", "certificate"),
    ],
)
def test_a_wrong_paste_is_refused_and_the_text_says_what_it_was(load, text, says):
    with pytest.raises(BadKey, match=says):
        load(text)


def test_a_key_of_another_kind_is_refused():
    curve = ec.generate_private_key(ec.SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    with pytest.raises(BadKey, match="not an RSA key"):
        load_private_key(pem)


def test_the_error_never_shows_the_key():
    broken = private(PrivateFormat.PKCS8, "bare")[:-40]

    with pytest.raises(BadKey) as caught:
        load_private_key(broken)

    assert broken[:20] not in str(caught.value)
