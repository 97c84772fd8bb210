"""The answer of gateway.do: find the node that was signed, as it was written, and read no other text than that."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from payments.alipay.encryption import decrypted
from payments.alipay.keys import Credentials
from payments.alipay.signing import verifies
from payments.errors import BadSignature, MalformedAnswer

ACCEPTED = frozenset({"10000", "10003"})  # codes that claim success, and are never believed unsigned
_BLANK = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Node:
    """The business part of one answer.

    fields     parsed from exactly the text that was signed
    is_signed  False only for failures that the gateway sent without a signature
    """

    fields: dict[str, Any]
    is_signed: bool

    def text(self, name: str) -> str:
        """A field as text; empty where it is absent or is no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


def read_answer(body: bytes, *, method: str, who: Credentials, charset: str = "utf-8") -> Node:
    """Check and read one gateway answer. Source: dossier 1.6.

    method  of the request, "alipay.trade.query": an answer to another method is not read

    Raises MalformedAnswer, BadSignature. Both mean: nothing is known, least of all a failure.
    """
    try:
        text = body.decode(charset)
    except UnicodeDecodeError as error:
        raise MalformedAnswer(f"not {charset}: {error.reason}") from None
    members = _members(text)
    root = members.get(method.replace(".", "_") + "_response") or members.get("error_response")
    if root is None:
        raise MalformedAnswer(f"no answer to {method} in it: {sorted(members)}")
    raw, value = root
    signature, number = (members.get(name, ("", None))[1] for name in ("sign", "alipay_cert_sn"))
    if signature is None:
        return _unsigned(value)
    keys = who.keys_for(number if isinstance(number, str) else "")
    spelling = _signed_spelling(raw, signature, keys, charset)
    if spelling is None:
        raise BadSignature(f"the signature does not fit the answer to {method}" if keys else _unknown_number(number))
    if spelling != raw:
        value = _whole(spelling)
    if isinstance(value, str):
        value = _whole(_opened(value, who))
    if not isinstance(value, dict):
        raise MalformedAnswer("the answer is not an object")
    return Node(value, is_signed=True)


def _unsigned(value: object) -> Node:
    """A failure that the gateway did not sign; a success is never believed unsigned."""
    if not isinstance(value, dict):
        raise MalformedAnswer("the answer is not an object")
    if value.get("code") in ACCEPTED or "code" not in value:
        raise BadSignature("a success without a signature")
    return Node(value, is_signed=False)


def _unknown_number(number: object) -> str:
    return f"signed with a certificate of Alipay's that we don't hold: {number!s:.40}"


def _opened(ciphertext: str, who: Credentials) -> str:
    """The content that travelled encrypted; its signature was checked before."""
    if who.content_key is None:
        raise MalformedAnswer("an encrypted answer, and we have no AES key")
    return decrypted(ciphertext, who.content_key)


def _signed_spelling(raw: str, signature: object, keys: tuple[RSAPublicKey, ...], charset: str) -> str | None:
    """The text that was signed: the node as written or, as some gateways do, with its slashes escaped the other way.

    What verified is what is parsed: the spellings can differ in meaning where a backslash stands before a slash.
    """
    if not isinstance(signature, str):
        return None
    unescaped = raw.replace("\\/", "/")
    spellings = dict.fromkeys([raw, unescaped, unescaped.replace("/", "\\/")])
    return next((each for each in spellings if verifies(each.encode(charset), signature, keys)), None)


def _members(text: str) -> dict[str, tuple[str, Any]]:
    """The top-level members of a JSON object: name to (text as written, parsed value).

    Raises MalformedAnswer, also for a name that stands twice at any depth.
    """
    members: dict[str, tuple[str, Any]] = {}
    at = _past_blank(text, 0)
    if text[at : at + 1] != "{":
        raise MalformedAnswer("not a JSON object")
    at = _past_blank(text, at + 1)
    while text[at : at + 1] != "}":
        if members:
            at = _past(text, at, ",")
        _, name, at = _value(text, at)
        if not isinstance(name, str) or name in members:
            raise MalformedAnswer(f"a name that is no text or stands twice: {name!r}")
        at = _past(text, at, ":")
        raw, value, at = _value(text, at)
        members[name] = (raw, value)
        at = _past_blank(text, at)
    if text[at + 1 :].strip(_BLANK):
        raise MalformedAnswer("something follows the answer")
    return members


def _whole(text: str) -> object:
    """The one JSON value that a text is."""
    _, value, end = _value(text, _past_blank(text, 0))
    if text[end:].strip(_BLANK):
        raise MalformedAnswer("something follows the content")
    return value


def _value(text: str, at: int) -> tuple[str, Any, int]:
    """One JSON value: as written, parsed, and where it ends."""
    try:
        value, end = _JSON.raw_decode(text, at)
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not JSON near {at}: {type(error).__name__}") from None
    return text[at:end], value, end


def _past(text: str, at: int, sign: str) -> int:
    at = _past_blank(text, at)
    if text[at : at + 1] != sign:
        raise MalformedAnswer(f"{sign!r} expected at {at}")
    return _past_blank(text, at + 1)


def _past_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedAnswer("a name stands twice")
    return fields


def _refuse(word: str) -> NoReturn:
    raise MalformedAnswer(f"{word} is no number")


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_float=Decimal, parse_constant=_refuse)
