"""Prove the signing against the `openssl` program: it signs and we verify, we sign and it verifies, altered ones are refused.

`python -m tests.payments.alipay.proving --messages 10000 --mutants 100000 --seed 1`; the suite runs a small sample.
The texts that are signed are put together here once more, apart from the product's own code.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from payments.alipay import requests
from payments.alipay.envelope import read_answer
from payments.alipay.keys import Credentials, load_private_key, load_public_key
from payments.alipay.notices import read_form, verified
from payments.errors import AlipayError
from payments.money import Money

METHOD, ROOT = "alipay.trade.query", "alipay_trade_query_response"
AT = datetime(2026, 11, 22, 6, 32, tzinfo=UTC)
LETTERS = "明前龙井茶铺结账微醺𠮷😀🍵👨‍👩‍👧éß \t&=+%%20%26\"'{}[]\\/:,;<>#?~|^`$@!()*_-.0123456789abcXYZ\n"
NAMES = (
    "subject",
    "body",
    "passback_params",
    "buyer_logon_id",
    "fund_bill_list",
    "zz_new_field",
    "out_trade_no",
    "total_amount",
)
Mutation = Callable[[bytes, random.Random], bytes]


class OpenSSL:
    """The program, with one throw-away key pair of its own making in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private, self.public = folder / "private.pem", folder / "public.pem"
        self._run("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.private)
        self._run("pkey", "-in", self.private, "-pubout", "-out", self.public)

    def sign_all(self, texts: list[bytes]) -> list[str]:
        """RSA2 signatures in base64."""
        with ThreadPoolExecutor(4) as workers:
            return list(workers.map(self._sign, texts))

    def verify_all(self, texts: list[bytes], signatures: list[str]) -> list[bool]:
        """Whether the program takes each base64 signature for the text's."""
        with ThreadPoolExecutor(4) as workers:
            return list(workers.map(self._verify, texts, signatures, range(len(texts))))

    def _sign(self, text: bytes) -> str:
        return b64encode(self._run("dgst", "-sha256", "-sign", self.private, said=text).stdout).decode()

    def _verify(self, text: bytes, signature: str, number: int) -> bool:
        file = self.folder / f"signature{number}"
        file.write_bytes(b64decode(signature, validate=True))
        done = self._run("dgst", "-sha256", "-verify", self.public, "-signature", file, said=text, may_fail=True)
        file.unlink()
        return done.returncode == 0 and b"Verified OK" in done.stdout

    def _run(
        self, *words: str | Path, said: bytes = b"", may_fail: bool = False
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(["openssl", *words], input=said, capture_output=True, check=not may_fail)


@dataclass
class Tally:
    """What was tried, by kind: passed, failed with its first examples, and altered messages that say the same as before."""

    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, holds: bool, example: object = "") -> None:
        (self.passed if holds else self.failed)[kind] += 1
        if not holds and len(self.examples) < 10:
            self.examples.append(f"{kind}: {example!r:.300}")


def words(chance: random.Random) -> str:
    """A text of any letters a person or a program might type; empty ones too."""
    return "".join(chance.choices(LETTERS, k=chance.choice((0, 1, 3, 12, 40))))


def a_node(chance: random.Random) -> str:
    """The business part of an answer as Alipay might write it: raw or escaped letters, slashes either way, blanks."""
    fields: dict[str, Any] = {"code": "10000", "msg": "Success", "out_trade_no": f"A{chance.randrange(10**9)}"}
    fields |= {name: words(chance) for name in chance.sample(NAMES[:6], chance.randrange(6))}
    if chance.random() < 0.3:
        fields["fund_bill_list"] = [{"amount": "1.00", "fund_channel": words(chance)}]
    text = json.dumps(fields, ensure_ascii=chance.random() < 0.3, separators=chance.choice([(",", ":"), (", ", ": ")]))
    return text.replace("/", "\\/") if chance.random() < 0.5 else text


def an_answer(node: str, signature: str, chance: random.Random) -> bytes:
    number = ',"alipay_cert_sn":"' + "ab" * 16 + '"' if chance.random() < 0.3 else ""
    return f'{{"{ROOT}":{node}{number},"sign":"{signature}"}}'.encode()


def a_notice(chance: random.Random) -> dict[str, str]:
    charset = chance.choice(("utf-8", "utf-8", "GBK"))
    fields = {"charset": charset, "sign_type": "RSA2", "notify_id": f"n{chance.randrange(10**9)}", "version": "1.0"}
    for name in chance.sample(NAMES, chance.randrange(1, 8)):
        fields[name] = words(chance).encode(charset, "ignore").decode(charset)
    return fields


def text_of(fields: dict[str, str], *, without: tuple[str, ...]) -> str:
    pairs = sorted((name, value) for name, value in fields.items() if name not in without and value)
    return "&".join(f"{name}={value}" for name, value in pairs)


def a_form(fields: dict[str, str], signature: str) -> bytes:
    charset = fields["charset"]
    pairs = [*fields.items(), ("sign", signature)]
    return "&".join(f"{name}={quote_plus(value, encoding=charset)}" for name, value in pairs).encode()


@dataclass(frozen=True)
class Message:
    """One genuine message, and what it says."""

    kind: str
    body: bytes
    says: dict[str, Any]


def genuine(openssl: OpenSSL, count: int, chance: random.Random) -> list[Message]:
    """Half answers, half notices, signed by openssl."""
    nodes = [a_node(chance) for _ in range(count // 2)]
    notices = [a_notice(chance) for _ in range(count - count // 2)]
    texts = [node.encode() for node in nodes]
    texts += [text_of(each, without=("sign", "sign_type")).encode(each["charset"]) for each in notices]
    signatures = openssl.sign_all(texts)
    answers = [
        Message("answer", an_answer(node, signature, chance), json.loads(node))
        for node, signature in zip(nodes, signatures, strict=False)
    ]
    return answers + [
        Message(
            "notice",
            a_form(each, signature),
            {name: value for name, value in each.items() if value} | {"sign": signature},
        )
        for each, signature in zip(notices, signatures[len(nodes) :], strict=True)
    ]


def understood(message: Message, body: bytes, who: Credentials) -> dict[str, Any] | None:
    """What our reader believes of a body; None where it believes nothing."""
    try:
        if message.kind == "notice":
            return dict(verified(read_form(body), who.alipay_keys).fields)
        node = read_answer(body, method=METHOD, who=who)
    except AlipayError:
        return None
    return node.fields if node.is_signed else None


def prove_reading(messages: list[Message], who: Credentials, tally: Tally) -> None:
    for each in messages:
        tally.note(
            f"{each.kind}: openssl signs, we verify and read", understood(each, each.body, who) == each.says, each.body
        )


def prove_signing(openssl: OpenSSL, who: Credentials, count: int, chance: random.Random, tally: Tally) -> None:
    """Requests of ours, taken apart as Alipay does, verified by openssl."""
    made = [a_request(chance, who) for _ in range(count)]
    params = [dict(parse_qsl(each, keep_blank_values=True, strict_parsing=True)) for each in made]
    texts = [text_of(each, without=("sign",)).encode() for each in params]
    for each, holds in zip(made, openssl.verify_all(texts, [each["sign"] for each in params]), strict=True):
        tally.note("request: we sign, openssl verifies", holds, each)


def a_request(chance: random.Random, who: Credentials) -> str:
    request = requests.precreate(
        out_trade_no=f"A{chance.randrange(10**9)}", total=Money(chance.randrange(1, 10**9)), title=words(chance),
        time_expire=AT, notify_url=chance.choice(("", "https://shop.example/alipay/notify/?a=1&b=%20")),
    )  # fmt: skip
    refund = requests.refund(out_trade_no="A1", out_request_no="R1", amount=Money(1), reason=words(chance))
    signed = requests.signed(chance.choice((request, refund)), who=who, at=AT)
    return signed.order_string


# --- altered messages -------------------------------------------------------------------------------------------------


def _flip(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]


def _other_byte(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + bytes([chance.randrange(32, 127)]) + body[at + 1 :]


def _cut_out(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + body[at + chance.randrange(1, 20) :]


def _insert(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + chance.choice((b'"', b"\\", b"{}", b",", b"&", b"%26", b" ", b"0", "龙".encode())) + body[at:]


def _cut_off(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body))]


def _swap(body: bytes, chance: random.Random) -> bytes:
    first, second = sorted(chance.sample(range(len(body)), 2))
    return (
        body[:first]
        + body[second : second + 1]
        + body[first + 1 : second]
        + body[first : first + 1]
        + body[second + 1 :]
    )


def _repeat(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    return body[: at + 9] + body[at:]


def _second_root(body: bytes, chance: random.Random) -> bytes:
    """Another node beside the signed one, before or behind, with its name spelled plainly or with escapes."""
    name = chance.choice((ROOT, ROOT.replace("_", "\\u005f", 1), "error_response", "alipay_trade_close_response"))
    forged = f'"{name}":{{"code":"10000","trade_status":"TRADE_SUCCESS"}}'.encode()
    if body[:1] != b"{":  # a form: a field twice, plainly or escaped
        extra = chance.choice(
            (b"total_amount=0.01", b"out%5Ftrade%5Fno=B2", b"trade_status=TRADE_SUCCESS", b"sign=AAAA")
        )
        return chance.choice((extra + b"&" + body, body + b"&" + extra))
    return b"{" + forged + b"," + body[1:] if chance.random() < 0.5 else body[:-1] + b"," + forged + b"}"


def _other_spelling(body: bytes, chance: random.Random) -> bytes:
    """The same JSON or form written another way: keys sorted, letters escaped. It says the same, but nobody signed it."""
    if body[:1] == b"{":
        return json.dumps(json.loads(body), sort_keys=True, ensure_ascii=chance.random() < 0.5).encode()
    return body.replace(b"+", b"%2B") if chance.random() < 0.5 else body.replace(b"%", b"%25")


MUTATIONS: dict[str, Mutation] = {
    "a bit flipped": _flip, "another byte": _other_byte, "cut out": _cut_out, "put in": _insert, "cut off": _cut_off,
    "two bytes swapped": _swap, "a piece twice": _repeat, "a second root or field": _second_root,
    "spelled another way": _other_spelling,
}  # fmt: skip


def prove_refusing(messages: list[Message], who: Credentials, count: int, chance: random.Random, tally: Tally) -> None:
    """Alter genuine messages until `count` were refused. One that is believed must say exactly what the genuine one says."""
    for message, name in _endless(messages, chance):
        if sum(tally.passed[f"altered: {each}"] for each in MUTATIONS) + sum(tally.failed.values()) >= count:
            return
        body = MUTATIONS[name](message.body, chance)
        if body == message.body:
            continue
        believed = understood(message, body, who)
        if believed is not None and believed == _plain(message, body):
            tally.same[name] += 1
        else:
            tally.note(f"altered: {name}", believed is None, body)


def _endless(messages: list[Message], chance: random.Random) -> Iterator[tuple[Message, str]]:
    while True:
        for name in MUTATIONS:
            yield chance.choice(messages), name


def _plain(message: Message, body: bytes) -> dict[str, Any]:
    """What was signed; a form's signature is its own proof and may be spelled as it likes."""
    if message.kind == "answer":
        return message.says
    return {
        **message.says,
        "sign_type": "RSA2",
        "sign": dict(parse_qsl(body.decode("ascii", "replace"))).get("sign", ""),
    }


# --- the whole --------------------------------------------------------------------------------------------------------


def prove(messages: int, mutants: int, seed: int) -> Tally:
    """Run it. Needs the `openssl` program. Raises FileNotFoundError without it."""
    chance, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory(prefix="protocol-proof-") as folder:
        openssl = OpenSSL(Path(folder))
        theirs = load_public_key(openssl.public.read_text())
        who = Credentials(
            "2021000000000001", "2088000000000001", load_private_key(openssl.private.read_text()), (theirs,)
        )
        said = genuine(openssl, messages, chance)
        prove_reading(said, who, tally)
        prove_signing(openssl, who, messages, chance, tally)
        prove_refusing(said, who, mutants, chance, tally)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000, help="signed by openssl, and as many signed by us")
    parser.add_argument("--mutants", type=int, default=100_000, help="altered messages that must be refused")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same messages (keys are always new)"
    )
    options = parser.parse_args()
    tally = prove(options.messages, options.mutants, options.seed)
    for kind in sorted({*tally.passed, *tally.failed}):
        print(f"{kind:45} {tally.passed[kind]:8} passed {tally.failed[kind]:6} failed")
    print(f"altered where nothing is signed, read as before: {dict(sorted(tally.same.items()))}")
    for example in tally.examples:
        print(f"failed  {example}")
    failed = sum(tally.failed.values())
    print(f"protocol-proof: {sum(tally.passed.values())} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
