"""Certificate mode: the certificates of an application, of this Alipay, and the root file, all made here.

Source: dossier 1.7. The names are plainly pretended, so that nobody takes one for a real one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from payments.alipay.certificates import alipay_root_cert_sn, app_cert_sn

LIFE = timedelta(days=5 * 365)
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Certificates:
    """The serial numbers (SN) both sides tell each other, and this Alipay's certificate for download, as PEM."""

    app_cert_sn: str
    alipay_cert_sn: str
    root_cert_sn: str
    alipay_cert: bytes


def certificates_in(folder: Path, app_id: str, app_key: RSAPublicKey, alipay_key: RSAPublicKey) -> Certificates:
    """Read the folder's certificates; the first time, make them.

    Files, named as Alipay's download page names them: appCertPublicKey_<app_id>.crt, alipayCertPublicKey_RSA2.crt,
    alipayRootCert.crt. Two roots stand in the last, and the second is no RSA one: its SN must be left out.
    """
    app, alipay = folder / f"appCertPublicKey_{app_id}.crt", folder / "alipayCertPublicKey_RSA2.crt"
    root = folder / "alipayRootCert.crt"
    if not root.exists():  # written last
        root_key, other_key = (
            generate_private_key(public_exponent=65537, key_size=2048),
            ec.generate_private_key(ec.SECP256R1()),
        )
        issuer = _name("Pretend Alipay Certification Authority R1")
        app.write_bytes(_pem(_certificate(_name(app_id), app_key, issuer, root_key)))
        alipay.write_bytes(_pem(_certificate(_name("Pretend Alipay"), alipay_key, issuer, root_key)))
        roots = (
            _certificate(issuer, root_key.public_key(), issuer, root_key, is_root=True),
            _certificate(_name("Pretend Alipay E1"), other_key.public_key(), _name("Pretend Alipay E1"), other_key, is_root=True),
        )  # fmt: skip
        root.write_bytes(b"\n".join(map(_pem, roots)))
    return Certificates(
        app_cert_sn(app.read_text()),
        app_cert_sn(alipay.read_text()),
        alipay_root_cert_sn(root.read_text()),
        alipay.read_bytes(),
    )


def _name(common: str) -> x509.Name:
    parts = (
        (NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, "Pretend Alipay"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Sandbox"), (NameOID.COMMON_NAME, common),
    )  # fmt: skip
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _certificate(
    subject: x509.Name,
    key: RSAPublicKey | ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    is_root: bool = False,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        subject_name=subject, issuer_name=issuer, public_key=key, serial_number=x509.random_serial_number(),
        not_valid_before=_SINCE, not_valid_after=_SINCE + (LIFE * 4 if is_root else LIFE),
    )  # fmt: skip
    constraints = x509.BasicConstraints(ca=is_root, path_length=None)
    return builder.add_extension(constraints, critical=True).sign(issuer_key, SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
