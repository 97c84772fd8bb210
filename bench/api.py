"""The API against the floor of bench/api_floor.py, measured in the same run, in alternating rounds.

Read: one order with its lines, the key looked at, two limits counted. Write: an order placed under an Idempotency-Key: order,
lines, audit and kept answer, durably committed. Target: at least 0.5 of a bare view with one query, one insert.
"""

import json
import os
import secrets
import statistics
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

from bench.load import Round, fire
from bench.notify import SERVE, _environment, _listens
from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.servers import servers
from config.local.stack import Stack, free_port

ROUNDS, REQUESTS, LEAST_RATIO = 5, 400, 0.5
KEY = "jz_" + "b" * 12 + "_" + "q" * 43
ROW = json.dumps({"title": "tea", "total_fen": 8880}).encode()
ORDER = json.dumps({"title": "tea", "lines": [{"title": "tea", "unit_price_fen": 8880}]}).encode()


def main() -> int:
    with scratch_folder() as data, servers(data, durable=True) as running:
        more = {"API_MOST_PER_KEY": "100000000", "API_MOST_PER_ADDRESS": "100000000"}
        stack = Stack(shop="", sandbox="", data=data, environment={**_environment(running), **more}, echo=False)
        os.environ.update(stack.environment)
        stack.manage("migrate", "--verbosity", "0")
        running.sql(
            "CREATE TABLE bench_row (id bigserial PRIMARY KEY, title text, total_fen bigint)", database="jiezhang"
        )
        running.sql("GRANT ALL ON bench_row, bench_row_id_seq TO jiezhang_app", database="jiezhang")
        try:
            return _report(_measure(stack, _numbers()))
        finally:
            stack.stop()


def _numbers() -> list[str]:
    """Orders of one client, whose key is made too."""
    import django  # noqa: PLC0415  # after the environment is set

    django.setup()
    from payments.models import ApiClient, MerchantAccount, User  # noqa: PLC0415
    from payments.models.api_client import Scope  # noqa: PLC0415
    from payments.models.clock import database_now  # noqa: PLC0415
    from payments.money import Money  # noqa: PLC0415
    from payments.services.api_keys import make_key  # noqa: PLC0415
    from payments.services.place_order import Line, place_order  # noqa: PLC0415

    MerchantAccount.objects.create(app_id="1", seller_id="2", name="bench", gateway_url="http://127.0.0.1:9/")
    client = ApiClient.objects.create(name="bench", scopes=Scope.values)
    make_key(client, person=User.objects.create_superuser("bench@example.com", "x"), text=KEY)
    words = {"title": "tea", "language": "en", "caller": "bench", "client_id": client.pk}
    return [place_order(lines=[Line("tea", Money(8880))], now=database_now(), **words).number for _ in range(REQUESTS)]  # type: ignore[arg-type]


def _measure(stack: Stack, numbers: list[str]) -> dict[str, list[Round]]:
    floor, product = (
        _serve(stack, "floor", "bench.api_floor:application"),
        _serve(stack, "web", "config.wsgi:application"),
    )
    rounds: dict[str, list[Round]] = {name: [] for name in ("floor read", "read", "floor write", "write")}
    for _ in range(ROUNDS + 1):
        rounds["floor read"].append(fire(floor, [_get(f"{floor}/orders/{each}") for each in numbers]))
        rounds["read"].append(fire(product, [_get(f"{product}/api/v1/orders/{each}") for each in numbers]))
        rounds["floor write"].append(fire(floor, [_post(f"{floor}/orders", ROW) for _ in numbers]))
        rounds["write"].append(fire(product, [_post(f"{product}/api/v1/orders", ORDER) for _ in numbers]))
    return {name: each[1:] for name, each in rounds.items()}  # the first round warms up


def _serve(stack: Stack, name: str, application: str) -> str:
    port = free_port()
    program = os.path.join(os.path.dirname(sys.executable), "granian")
    stack.start(name, [program, *SERVE, "--port", str(port), application])
    until = time.monotonic() + 90
    while time.monotonic() < until and not _listens(port):
        stack.check_alive(name)
        time.sleep(0.1)
    return f"http://127.0.0.1:{port}"


def _get(url: str) -> bytes:
    where = urlsplit(url)
    return f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()


def _post(url: str, body: bytes) -> bytes:
    where = urlsplit(url)
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {secrets.token_hex(12)}\r\n\r\n"
    )
    return head.encode() + body


def _report(rounds: dict[str, list[Round]]) -> int:
    answers = Counter(answer[:3] for each in rounds.values() for one in each for answer in one.answers.elements())
    ratios, lines = {}, []
    for name in ("read", "write"):
        pairs = list(zip(rounds[name], rounds[f"floor {name}"], strict=True))
        ratios[name] = statistics.median(mine.rate / floor.rate for mine, floor in pairs)
        mine, floor = (statistics.median(each.rate for each in rounds[which]) for which in (name, f"floor {name}"))
        lines.append(f"{name:6} {mine:7.0f} req/s, floor {floor:7.0f} req/s, ratio {ratios[name]:.2f}")
    verdicts = {
        f"a {name} runs at ≥ {LEAST_RATIO} of a bare view": ratio >= LEAST_RATIO for name, ratio in ratios.items()
    }
    verdicts["every answer was 200 or 201"] = set(answers) <= {b"200", b"201"}
    lines += [f"{'passed' if holds else 'failed'}  {words}" for words, holds in verdicts.items()]
    if not verdicts["every answer was 200 or 201"]:
        lines.append(str(dict(answers)))
    keep("bench-api", lines)
    print("\n".join(lines))
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
