import hashlib
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from payments.alipay.certificates import alipay_root_cert_sn, app_cert_sn, load_certificate
from payments.errors import BadKey
from tests.payments.alipay.making import CA, SM2_ROOT, certificate

KEY = CA.public_key()
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
CURVE = ec.generate_private_key(ec.SECP256R1())
UNREADABLE = "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n"
NOT_BASE64 = "-----BEGIN CERTIFICATE-----\n*** cut ***\n-----END CERTIFICATE-----\n"


def test_the_number_is_the_md5_of_issuer_and_decimal_serial():
    pem = certificate(KEY, issuer={"C": "CN", "O": "蚂蚁", "OU": "CA", "CN": "R1"}, serial=0xABCDEF0123456789ABCDEF)

    assert app_cert_sn(pem) == hashlib.md5(f"CN=R1,OU=CA,O=蚂蚁,C=CN{0xABCDEF0123456789ABCDEF}".encode()).hexdigest()


def test_openssl_reads_the_same_issuer_and_serial():
    pem = certificate(KEY)
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-issuer", "-serial", "-nameopt", "RFC2253,-esc_msb"],
        input=pem, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip

    issuer, serial = shown[0].removeprefix("issuer="), int(shown[1].removeprefix("serial="), 16)
    assert app_cert_sn(pem) == hashlib.md5(f"{issuer}{serial}".encode()).hexdigest()


def test_a_number_keeps_its_leading_zeros():
    numbers = [app_cert_sn(certificate(KEY, serial=serial)) for serial in range(1, 60)]

    assert {len(number) for number in numbers} == {32}
    assert any(number.startswith("0") for number in numbers)


MANGLES = {
    "Windows lines": lambda text: text.replace("\n", "\r\n"),
    "old Mac lines": lambda text: text.replace("\n", "\r"),
    "blank lines": lambda text: "\n\n" + text.replace("\n", "\n\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "words between": lambda text: "Bag Attributes: x\n" + text + "that was it\n",
    "spaces at line ends": lambda text: text.replace("\n", "  \t\n"),
}


@pytest.mark.parametrize("mangle", MANGLES.values(), ids=MANGLES)
def test_a_file_is_read_whatever_carried_it(mangle):
    first, second = certificate(KEY, serial=7), certificate(KEY, serial=8)

    assert app_cert_sn(mangle(first)) == app_cert_sn(first)
    assert alipay_root_cert_sn(mangle(first + second)) == f"{app_cert_sn(first)}_{app_cert_sn(second)}"


def test_of_the_root_file_only_rsa_signed_ones_count_in_file_order():
    rsa_roots = [certificate(KEY, serial=serial) for serial in (5, 3, 4)]
    by_curve = certificate(CURVE.public_key(), signer=CURVE)
    file = rsa_roots[0] + SM2_ROOT + UNREADABLE + rsa_roots[1] + NOT_BASE64 + by_curve + rsa_roots[2]

    assert alipay_root_cert_sn(file) == "_".join(map(app_cert_sn, rsa_roots))


@pytest.mark.parametrize("file", ["", SM2_ROOT, UNREADABLE, NOT_BASE64, "hello"])
def test_a_root_file_without_an_rsa_root_is_refused_in_words(file):
    with pytest.raises(BadKey, match="no RSA root"):
        alipay_root_cert_sn(file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no certificate"),
        (NOT_BASE64, "no certificate"),
        (UNREADABLE, "no certificate"),
        (SM2_ROOT, "a kind we can't use"),
        (certificate(CURVE.public_key()), "no RSA key"),
        (certificate(SMALL), "1024 bits"),
    ],
)
def test_a_certificate_we_cannot_use_is_refused_in_words(text, says):
    with pytest.raises(BadKey, match=says):
        load_certificate(text)


def test_the_key_of_a_certificate_is_the_one_it_was_made_for():
    assert load_certificate(certificate(KEY)).public_key.public_numbers() == KEY.public_numbers()


def test_of_a_file_with_a_chain_the_first_certificate_counts():
    leaf = certificate(KEY, serial=11)

    assert load_certificate(leaf + certificate(KEY, serial=12)).sn == app_cert_sn(leaf)
