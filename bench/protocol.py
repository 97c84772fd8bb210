"""Signing, verifying and reading against bare `cryptography`, in alternating rounds of one run.

The floor is the library alone: keys parsed, text and signature ready as bytes. Targets: our sign and verify at least 0.9 of it;
a notice from raw body to typed facts at least 0.35 of a bare verify; the same for an answer of the gateway, for comparison.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from payments.alipay.answers import read_query
from payments.alipay.keys import Credentials
from payments.alipay.notices import facts_of, read_form, verified
from payments.alipay.signing import notice_text, sign, verifies

ROUNDS, SECONDS = 15, 0.1
TARGETS = {"sign": ("bare sign", 0.9), "verify": ("bare verify", 0.9), "notice to facts": ("bare verify", 0.35)}
FIELDS = {
    "notify_type": "trade_status_sync", "notify_id": "2026112200222143210123456", "notify_time": "2026-11-22 14:32:11",
    "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "app_id": "2021000000000001", "auth_app_id": "2021000000000001",
    "seller_id": "2088000000000001", "out_trade_no": "20261122ABCDEF0123456789", "trade_no": "2026112222001100000000000001",
    "trade_status": "TRADE_SUCCESS", "total_amount": "88.80", "receipt_amount": "88.80", "buyer_pay_amount": "88.80",
    "invoice_amount": "88.80", "point_amount": "0.00", "gmt_create": "2026-11-22 14:32:00", "gmt_payment": "2026-11-22 14:32:10",
    "subject": "明前龙井 50 克", "buyer_logon_id": "159****5620",
    "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
    "fund_bill_list": '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]',
}  # fmt: skip


def jobs() -> dict[str, Callable[[], object]]:
    """What is measured, by name; each proven once to do what it says."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    public, padding, algorithm = key.public_key(), PKCS1v15(), SHA256()
    who = Credentials(FIELDS["app_id"], FIELDS["seller_id"], key, (public,))
    text = notice_text(FIELDS, keep_empty=False).encode()
    raw, signature = key.sign(text, padding, algorithm), sign(text, key)
    body = urlencode({**FIELDS, "sign": signature}).encode()
    node = json.dumps({"code": "10000", "msg": "Success", **FIELDS}, ensure_ascii=False)
    answer = f'{{"alipay_trade_query_response":{node},"sign":"{sign(node.encode(), key)}"}}'.encode()
    keys = (public,)
    assert verifies(text, signature, keys), "a true signature"
    assert not verifies(text + b"x", signature, keys), "a false one"
    return {
        "bare sign": lambda: key.sign(text, padding, algorithm),
        "sign": lambda: sign(text, key),
        "bare verify": lambda: public.verify(raw, text, padding, algorithm),
        "verify": lambda: verifies(text, signature, keys),
        "notice to facts": lambda: facts_of(verified(read_form(body), keys)),
        "answer to facts": lambda: read_query(answer, who=who, out_trade_no=FIELDS["out_trade_no"]),
    }


def rate(job: Callable[[], object]) -> float:
    """How often a second of this process's own time."""
    started, done = time.process_time(), 0
    while (spent := time.process_time() - started) < SECONDS:
        for _ in range(20):
            job()
        done += 20
    return done / spent


def main() -> int:
    measured = jobs()
    rounds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS + 1):
        for name, job in measured.items():
            rounds[name].append(rate(job))
    rounds = {name: each[1:] for name, each in rounds.items()}  # the first round warms up
    print(f"{'':18} {'a second':>10}   of its floor, the middle of {ROUNDS} rounds (least, most)")
    missed = 0
    for name, each in rounds.items():
        floor, least = TARGETS.get(name, ("bare verify" if "facts" in name else name, 0.0))
        ratios = [mine / theirs for mine, theirs in zip(each, rounds[floor], strict=True)]
        middle = statistics.median(ratios)
        words = f"{middle:.2f} of {floor} ({min(ratios):.2f}, {max(ratios):.2f})" if floor != name else ""
        print(f"{name:18} {statistics.median(each):10.0f}   {words}")
        if least:
            missed += middle < least
            print(f"{'passed' if middle >= least else 'failed'}  {name} runs at >= {least} of {floor}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
