"""`python -m config.local TARGET`: what run.py hands over to once the packages are installed."""

import os
import sys

from config.local.places import ROOT


def main(target: str, words: list[str]) -> int:
    """Run one target. Imports only what it needs: checks must work where servers can't."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    match target:
        case "demo":
            from config.local.demo import demo

            return demo()
        case "smoke":
            from config.local.smoke import smoke

            return smoke()
        case "test":
            from config.local.testing import test

            return test(words)
        case "matrix":
            from config.local.matrix import matrix

            return matrix(words)
        case "check":
            from config.local.checks import check

            return check()
        case "lighthouse":
            from config.local.lighthouse import lighthouse

            return lighthouse()
        case "bench":
            from config.local.benching import bench

            return bench(words)
        case "sdk-proof":
            from config.local.sdk_proof import sdk_proof

            return sdk_proof()
        case "code":
            from config.local.demo import code

            return code()
        case "simulate":
            from config.local.proofs.simulating import simulate

            return simulate(histories=_number("HISTORIES", words, 60), first=_number("SEED", words, 1))
        case "crash-points":
            from config.local.proofs.simulating import crash_points

            return crash_points()
        case "chaos":
            from config.local.proofs.chaos import chaos

            return chaos(
                kills=_number("KILLS", words, 20), orders=_number("ORDERS", words, 5000), seed=_number("SEED", words, 1)
            )
        case "soak":
            from config.local.proofs.soak import soak

            return soak(minutes=_number("MINUTES", words, 60), seed=_number("SEED", words, 1))
        case "disk-full":
            from config.local.proofs.disk_full import disk_full

            return disk_full(orders=_number("ORDERS", words, 400), seed=_number("SEED", words, 1))
        case "failover":
            from config.local.proofs.failover import failover

            return failover(orders=_number("ORDERS", words, 600), seed=_number("SEED", words, 1))
        case "guards":
            from config.local.proofs.guarding import guards

            return guards()
        case "reconcile-proof":
            from config.local.proofs.reconciling import reconcile_proof

            return reconcile_proof(
                lines=_number("LINES", words, 10_000), differences=_number("DIFFERENCES", words, 200),
                kills=_number("KILLS", words, 20), seed=_number("SEED", words, 1),
            )  # fmt: skip
        case "bulk-refund-proof":
            from config.local.proofs.bulk_refunding import bulk_refund_proof

            return bulk_refund_proof(
                orders=_number("ORDERS", words, 5000), kills=_number("KILLS", words, 3), seed=_number("SEED", words, 1)
            )
        case "refund-race":
            from config.local.proofs.racing import refund_race

            return refund_race(trials=_number("TRIALS", words, 1000), seed=_number("SEED", words, 1))
        case "api-fuzz":
            from config.local.proofs.api_fuzz import api_fuzz

            return api_fuzz(requests=_number("REQUESTS", words, 20_000), seed=_number("SEED", words, 1))
        case "order-race":
            from config.local.proofs.order_racing import order_race

            return order_race(trials=_number("TRIALS", words, 1000), seed=_number("SEED", words, 1))
        case "protocol-proof":
            from config.local.protocol_proof import protocol_proof

            return protocol_proof(words)
        case "lock":
            from config.local.locking import lock

            return lock()
        case "messages":
            from config.local.messages import messages

            return messages(check="--check" in words)
    raise AssertionError(f"run.py knows no other target than these: {target}")


def _number(name: str, words: list[str], default: int) -> int:
    """A proof's size: NAME=7 as a word, or from the environment, where make puts what it was given."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    return int(given.get(name) or os.environ.get(name) or default)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
