"""What travels: requests opened and checked as Alipay does, answers written as Alipay writes them. Source: dossier 1.4-1.8."""

import json
from dataclasses import dataclass
from typing import Any

from payments.alipay.encryption import ENCRYPT_TYPE, decrypted, encrypted
from payments.alipay.signing import SIGN_TYPE, request_text, sign, verifies
from payments.errors import MalformedAnswer
from payments.sandbox.identity import Identity
from payments.sandbox.refusals import Refused, invalid

CHARSETS = {"utf-8": "utf-8", "gbk": "gbk"}


@dataclass(frozen=True, slots=True)
class Call:
    """One genuine request: what is asked, with its common parameters opened.

    charset  of the request, and so of its answer and of the trade's notices
    """

    method: str
    biz: dict[str, Any]
    notify_url: str = ""
    return_url: str = ""
    charset: str = "utf-8"

    def text(self, name: str) -> str:
        """A business field as text; numbers as they were written, absent ones empty."""
        value = self.biz.get(name)
        return "" if value is None else str(value)

    def wants(self, option: str) -> bool:
        """Whether query_options names this."""
        options = self.biz.get("query_options")
        return isinstance(options, list) and option in options


def opened(params: dict[str, str], identity: Identity, charset: str | None = None) -> Call:
    """Check a request as Alipay does: app id first, then certificates, then the signature. Raises Refused.

    charset  the one its parameters were decoded with; None takes the request's own word
    """
    if not params.get("method"):
        raise Refused("isv.missing-method")
    if params.get("app_id") != identity.app_id:
        raise Refused("isv.invalid-app-id")
    encoding = CHARSETS.get((charset or params.get("charset") or "gbk").lower())
    if encoding is None:
        raise Refused("isv.invalid-charset")
    _check_certificates(params, identity)
    text = request_text(params).encode(encoding, "replace")
    if params.get("sign_type") != SIGN_TYPE or not verifies(text, params.get("sign", ""), [identity.app_public_key]):
        raise Refused("isv.invalid-signature")
    return Call(
        params["method"],
        _content(params, identity),
        params.get("notify_url", ""),
        params.get("return_url", ""),
        encoding,
    )


def _check_certificates(params: dict[str, str], identity: Identity) -> None:
    known = identity.certificates
    if known is None:
        return
    if not params.get("app_cert_sn"):
        raise Refused("isv.missing-app-cert-sn")
    if params["app_cert_sn"] != known.app_cert_sn:
        raise Refused("isv.app-cert-not-exist")
    if params.get("alipay_root_cert_sn") != known.root_cert_sn:
        raise Refused("isv.invalid-alipay-root-cert-sn")


def _content(params: dict[str, str], identity: Identity) -> dict[str, Any]:
    text = params.get("biz_content", "")
    if params.get("encrypt_type") == ENCRYPT_TYPE:
        try:
            text = decrypted(text, identity.aes_key)
        except (MalformedAnswer, ValueError):
            raise Refused("isv.invalid-encrypt") from None
    try:
        biz = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        biz = None
    if not isinstance(biz, dict):
        raise invalid()
    return biz


@dataclass(frozen=True, slots=True)
class Style:
    """How an answer is written.

    alphabetical  all fields in alphabetical order; otherwise code and msg first
    encrypts      the node is a quoted AES ciphertext, signed with its quotes
    is_signed     failures of the gateway itself are not
    spoiled       the signature is one over another text
    """

    alphabetical: bool = False
    encrypts: bool = False
    is_signed: bool = True
    spoiled: bool = False


def written(node: str, fields: dict[str, Any], identity: Identity, style: Style, charset: str = "utf-8") -> str:
    """An answer's body: slashes escaped, Chinese as it is, `sign` behind the node, alipay_cert_sn between them."""
    if style.alphabetical:
        fields = dict(sorted(fields.items()))
    raw = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    if style.encrypts:
        raw = f'"{encrypted(raw, identity.aes_key)}"'
    if not style.is_signed:
        return f'{{"{node}":{raw}}}'
    signed = (raw + " " if style.spoiled else raw).encode(charset, "replace")
    number = f',"alipay_cert_sn":"{identity.certificates.alipay_cert_sn}"' if identity.certificates is not None else ""
    return f'{{"{node}":{raw}{number},"sign":"{sign(signed, identity.alipay_key)}"}}'
