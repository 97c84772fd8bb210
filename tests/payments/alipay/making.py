"""Throw-away certificates, made as a test wants them."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_NAMES = {
    "C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "CN": NameOID.COMMON_NAME,
}  # fmt: skip
ISSUER = {"C": "CN", "O": "Ant Financial", "OU": "Certification Authority", "CN": "Ant Financial Class 2 R1"}
CA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
# Signed with SM2, which cryptography can't use; made with openssl.
SM2_ROOT = """-----BEGIN CERTIFICATE-----
MIIBvDCCAWOgAwIBAgIUGG7NBdyhIT266DZrPwQ4cTxAGmswCgYIKoEcz1UBg3Uw
NDELMAkGA1UEBhMCQ04xEjAQBgNVBAoMCVRocm93YXdheTERMA8GA1UEAwwIU00y
IFJvb3QwHhcNMjYxMTI0MjAxNDUyWhcNNDYxMTE5MjAxNDUyWjA0MQswCQYDVQQG
EwJDTjESMBAGA1UECgwJVGhyb3dhd2F5MREwDwYDVQQDDAhTTTIgUm9vdDBZMBMG
ByqGSM49AgEGCCqBHM9VAYItA0IABI4bxq9FeA2TPIWeWBQML6B1u5QnDxufpCrr
8uZZO8qAP3ees9XS5B0OHu5y9LMfAs5Ero2l6dDw7CSNT+DIak6jUzBRMB0GA1Ud
DgQWBBQ0OTzw2vOaQlT0zU5RfQoLy3cLrjAfBgNVHSMEGDAWgBQ0OTzw2vOaQlT0
zU5RfQoLy3cLrjAPBgNVHRMBAf8EBTADAQH/MAoGCCqBHM9VAYN1A0cAMEQCIF3A
HCUP1X6YdnCW3/rtTG8L+V204BU0kdbXdEmdgZTyAiBvFKAUv9kQoKJUZmrWzdTV
Fgq96C30zz/sgu9ZRs8Ocg==
-----END CERTIFICATE-----
"""


def certificate(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    *,
    issuer: dict[str, str] | None = None,
    serial: int = 0,
    signer: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = CA,
    until: datetime | None = None,
) -> str:
    """A PEM certificate that holds this key."""
    name = x509.Name([x509.NameAttribute(_NAMES[part], value) for part, value in (issuer or ISSUER).items()])
    end = until or datetime.now(UTC) + timedelta(days=1825)
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "2021000000000001")]),
        public_key=key,
        serial_number=serial or x509.random_serial_number(),
        not_valid_before=end - timedelta(days=1826),
        not_valid_after=end,
    ).sign(signer, SHA256())
    return made.public_bytes(Encoding.PEM).decode()


HOST_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_AUTHORITY_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
_SIGNS_ALL = x509.KeyUsage(
    digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def host_certificate(host: str, *, until: datetime | None = None, signer: rsa.RSAPrivateKey = CA) -> str:
    """A web server's certificate for HOST_KEY, signed by the authority of the tests unless told otherwise."""
    end = until or datetime.now(UTC) + timedelta(days=1)
    made = _dated(_AUTHORITY_NAME, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), HOST_KEY, end)
    return (
        made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.public_key()), critical=False)
        .sign(signer, SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


def _dated(issuer: x509.Name, subject: x509.Name, key: rsa.RSAPrivateKey, end: datetime) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer, subject_name=subject, public_key=key.public_key(), serial_number=x509.random_serial_number(),
        not_valid_before=end - timedelta(days=30), not_valid_after=end,
    )  # fmt: skip


AUTHORITY = (
    _dated(_AUTHORITY_NAME, _AUTHORITY_NAME, CA, datetime.now(UTC) + timedelta(days=1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .add_extension(_SIGNS_ALL, critical=True)
    .add_extension(x509.SubjectKeyIdentifier.from_public_key(CA.public_key()), critical=False)
    .sign(CA, SHA256())
    .public_bytes(Encoding.PEM)
    .decode()
)
