"""`make demo`: the whole product on this machine, proved by one purchase, until Ctrl-C."""

import fcntl
import json
import secrets
import signal
import time
from base64 import b32encode, b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NoReturn

from config.local import purchase
from config.local.places import RUN, data_folder
from config.local.purchase import StepFailed
from config.local.servers import OWNER, Servers, ServersFailed, servers
from config.local.stack import Stack, StackFailed, free_port, stack

WRITTEN = RUN / "demo.json"
EMAIL = "demo@example.com"


def demo() -> int:
    """Run until Ctrl-C. Returns the exit code."""
    # also where a shell started us in the background and had us ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    RUN.mkdir(exist_ok=True)
    with (RUN / "demo.lock").open("w") as lock:
        if not _is_first(lock):
            where = json.loads(WRITTEN.read_text())["shop"] if WRITTEN.exists() else "an address it has not told yet"
            say(f"A demo of this checkout is running already: {where}")
            return 1
        try:
            _run(data_folder("demo"))
        except KeyboardInterrupt:
            say("stopped; the data stays for the next `make demo`")
        except (ServersFailed, StackFailed, StepFailed) as failure:
            say(str(failure))
            return 1
        finally:
            WRITTEN.unlink(missing_ok=True)
    return 0


def _run(data: Path) -> NoReturn:
    """Everything between start and Ctrl-C. Raises KeyboardInterrupt, or what fails."""
    kept = _secrets(data)
    started = time.monotonic()
    more = {
        "SECRET_KEY": kept["secret_key"], "SEAL_KEYS": kept["seal_keys"], "DEMO_EMAIL": EMAIL,
        "DEMO_PASSWORD": kept["password"], "DEMO_CODE_KEY": kept["code_key"],
        "AUDIT_SEAL_KEYS": kept["audit_seal_keys"], "DEMO_API_KEY": kept["api_key"],
    }  # fmt: skip
    with servers(data, durable=True) as running:
        say(f"PostgreSQL and Valkey are up after {time.monotonic() - started:.1f} s; their data lies in {data}")
        ports = {"shop_port": free_port(8000), "sandbox_port": free_port(8100)}
        with stack(running, data, **ports, more=more, echo=True) as product:
            _write(product, running, data, kept)
            _prove(product)
            _welcome(product, kept, time.monotonic() - started)
            while True:
                time.sleep(0.5)
                product.check_alive()


def _is_first(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _secrets(data: Path) -> dict[str, str]:
    """This demo's own secrets, each made once: sealed data stays readable at the next start."""
    path = data / "secrets.json"
    path.touch(mode=0o600)
    kept: dict[str, str] = json.loads(path.read_text() or "{}")
    fresh = {
        "secret_key": secrets.token_urlsafe(48),
        "seal_keys": f"demo:{b64encode(secrets.token_bytes(32)).decode()}",
        "audit_seal_keys": f"demo:{b64encode(secrets.token_bytes(32)).decode()}",
        "password": f"tea-{secrets.token_hex(4)}",
        "code_key": b32encode(secrets.token_bytes(20)).decode(),
        "api_key": f"jz_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}",
    }
    path.write_text(json.dumps({**fresh, **kept}))
    return {**fresh, **kept}


def _write(product: Stack, running: Servers, data: Path, kept: dict[str, str]) -> None:
    """Say where everything is, for people and for every manage.py command."""
    facts: dict[str, Any] = {
        "shop": product.shop, "admin": f"{product.shop}/admin/", "notify": f"{product.shop}/alipay/notify",
        "sandbox": product.sandbox, "gateway": f"{product.sandbox}/gateway.do",
        "database_url": running.database_url(), "database_owner_url": running.database_url(OWNER),
        "redis_url": running.redis_url, "data": {"servers": str(data), "alipay": str(data / "alipay"), "logs": str(data)},
        "logins": [{"email": EMAIL, "password": kept["password"], "code_key": kept["code_key"], "is": "staff with every right"}],
        "api": f"{product.shop}/api/v1", "api_key": kept["api_key"],
        "secret_key": kept["secret_key"], "seal_keys": kept["seal_keys"],
        "audit_seal_keys": kept["audit_seal_keys"],
    }  # fmt: skip
    WRITTEN.touch(mode=0o600)
    WRITTEN.write_text(json.dumps(facts, indent=2))


def _prove(product: Stack) -> None:
    """One purchase through the whole chain. Raises StepFailed."""
    say("one purchase as proof:")
    paid = purchase.requested(product, amount="88.80", subject="明前龙井 50 克", scene="qr")
    say(f"  1. order {paid.order_number} made; Alipay gave a QR code for {paid.out_trade_no}")
    if 'role="img"' not in purchase.page(paid):
        raise StepFailed("the paying page shows no code")
    say("  2. the paying page shows the code")
    trade = purchase.control(product, "pay", out_trade_no=paid.out_trade_no)
    say(f"  3. a buyer scanned and paid it: trade {trade['trade_no']}")
    waited = purchase.until("the notice settles the order", lambda: purchase.page_state(paid) == "paid")
    say(f"  4. Alipay's signed notice made the order paid after {waited:.1f} s")
    found = purchase.explained(product, paid)
    ledger = "; ".join(f"{each['debit']} ← {each['credit']} {each['fen']} fen" for each in found["ledger"])
    if found["order"]["paid_fen"] != 8880 or found["settled_count"] != 1:
        raise StepFailed(f"the books say something else: {found}")
    say(f"  5. the books hold it once: {ledger}")


def _welcome(product: Stack, kept: dict[str, str], took_s: float) -> None:
    say(f"""ready after {took_s:.1f} s

  shop       {product.shop}
  staff      {product.shop}/admin/    {EMAIL}  {kept["password"]}
             and the code of the second factor:  python3 run.py code
  counter    {product.shop}/admin/payments/order/counter/    payment codes to scan: {product.sandbox}/wallet
  API        {product.shop}/api/v1/docs    key {kept["api_key"]}
  Alipay     {product.sandbox}    (pretended; no money moves)

  ask for a payment:   .venv/bin/python manage.py request_payment --amount 12.30 --subject "Tea"
  explain an order:    .venv/bin/python manage.py explain NUMBER

  Ctrl-C stops everything.
""")


def code() -> int:
    """Print what the code app of the demo's staff login shows at this moment."""
    if not WRITTEN.exists():
        say("No demo of this checkout is running: start it with  make demo")
        return 1
    import django  # noqa: PLC0415

    django.setup()
    from payments.services.second_factor import current_code  # noqa: PLC0415  # Django, which the demo itself does without

    print(current_code(json.loads(WRITTEN.read_text())["logins"][0]["code_key"], datetime.now(UTC)))
    return 0


def say(text: str) -> None:
    print(f"    demo | {text}", flush=True)
