"""`python -m config.local TARGET`: what run.py hands over to once the packages are installed."""

import os
import sys
from collections.abc import Callable
from importlib import import_module

from config.local.places import ROOT

# Each target by the function that does it; a module is imported when it is asked for alone: checks must work where servers can't.
ALONE = {
    "demo": "demo.demo", "code": "demo.code", "smoke": "smoke.smoke", "check": "checks.check", "lock": "locking.lock",
    "lighthouse": "lighthouse.lighthouse", "sdk-proof": "sdk_proof.sdk_proof",
    "crash-points": "proofs.simulating.crash_points", "guards": "proofs.guarding.guards",
}  # fmt: skip
TAKES_WORDS = {
    "test": "testing.test", "matrix": "matrix.matrix", "bench": "benching.bench", "messages": "messages.messages",
    "protocol-proof": "protocol_proof.protocol_proof",
}  # fmt: skip
# How large a proof is unless a word or the environment says otherwise: KILLS=20 is its argument `kills`.
SIZES: dict[str, tuple[str, dict[str, int]]] = {
    "simulate": ("proofs.simulating.simulate", {"histories": 60, "seed": 1}),
    "chaos": ("proofs.chaos.chaos", {"kills": 20, "orders": 5000, "seed": 1}),
    "soak": ("proofs.soak.soak", {"minutes": 60, "seed": 1}),
    "disk-full": ("proofs.disk_full.disk_full", {"orders": 400, "seed": 1}),
    "failover": ("proofs.failover.failover", {"orders": 600, "seed": 1}),
    "refund-race": ("proofs.racing.refund_race", {"trials": 1000, "seed": 1}),
    "order-race": ("proofs.order_racing.order_race", {"trials": 1000, "seed": 1}),
    "reconcile-proof": (
        "proofs.reconciling.reconcile_proof", {"lines": 10_000, "differences": 200, "kills": 20, "seed": 1}
    ),
    "bulk-refund-proof": ("proofs.bulk_refunding.bulk_refund_proof", {"orders": 5000, "kills": 3, "seed": 1}),
    "api-fuzz": ("proofs.api_fuzz.api_fuzz", {"requests": 20_000, "seed": 1}),
}  # fmt: skip


def main(target: str, words: list[str]) -> int:
    """Run one target; its exit code. The names are those of run.py."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    if target in ALONE:
        return function(ALONE[target])()
    if target in TAKES_WORDS:
        return function(TAKES_WORDS[target])(words)
    name, defaults = SIZES[target]
    sizes = {size: number(size.upper(), words, default) for size, default in defaults.items()}
    return function(name)(**sizes)


def function(name: str) -> Callable[..., int]:
    """What `config.local` has under this name."""
    module, _, attribute = name.rpartition(".")
    found: Callable[..., int] = getattr(import_module(f"config.local.{module}"), attribute)
    return found


def number(name: str, words: list[str], default: int) -> int:
    """A proof's size: NAME=7 as a word, or from the environment, where make puts what it was given.

    Raises SystemExit where it is no number.
    """
    given = dict(word.split("=", 1) for word in words if "=" in word)
    text = given.get(name) or os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise SystemExit(f"{name}={text} is no number: write {name}={default}")
    return int(text)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
