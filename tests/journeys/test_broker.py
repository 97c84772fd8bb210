"""Without broker and cache money still arrives: Valkey may be down, or die, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from config.local import purchase
from config.local.servers import start_valkey
from config.local.stack import Stack, answers, free_port


@pytest.fixture
def web_without_valkey(product: Stack) -> Iterator[Stack]:
    """A second web process that never finds a broker."""
    port = free_port()
    shop = f"http://127.0.0.1:{port}"
    environment = {
        **product.environment,
        "PORT": str(port),
        "SITE_URL": shop,
        "REDIS_URL": "unix:///nowhere/valkey.sock",
    }
    alone = replace(product, shop=shop, environment=environment, processes={}, data=product.data / "alone")
    alone.data.mkdir(exist_ok=True)
    alone.run("web")
    purchase.until("web answers", lambda: answers(f"{shop}/healthz"))
    yield alone
    alone.stop()


@pytest.mark.rows("F19")
def test_the_shop_starts_and_takes_money_without_a_broker(web_without_valkey: Stack, control):
    assert answers(f"{web_without_valkey.shop}/readyz", says="degraded")
    payment = purchase.requested(web_without_valkey, amount="128.00", subject="龙井", scene="qr")
    assert 'role="img"' in purchase.page(payment)

    control("pay", out_trade_no=payment.out_trade_no)

    purchase.until("paid", lambda: purchase.page_state(payment) == "paid")
    assert "Paid ¥128.00" in purchase.page(payment)


@pytest.fixture
def kill_valkey(product: Stack, revived: list) -> Iterator[object]:
    """Kill the broker as the kernel would; it is started again afterwards, whatever happened."""
    sockets = Path(os.environ["TEST_SOCKETS"])

    def start() -> None:
        revived.append(start_valkey(Path(os.environ["TEST_DATA"]) / "valkey", sockets))
        purchase.until("Valkey answers", lambda: _pings(sockets))

    def kill() -> None:
        with redis.Redis(unix_socket_path=str(sockets / "valkey.sock")) as client:
            os.kill(client.info()["process_id"], signal.SIGKILL)
        purchase.until("Valkey is gone", lambda: not _pings(sockets))

    yield kill, start
    if not _pings(sockets):
        start()


@pytest.fixture
def valkey() -> Iterator["redis.Redis"]:
    with redis.Redis(unix_socket_path=str(Path(os.environ["TEST_SOCKETS"]) / "valkey.sock")) as client:
        yield client
        client.execute_command("CLIENT", "UNPAUSE")
        client.config_set("maxmemory", "0")


@pytest.mark.rows("F16", "F21", "F22", "F23")
@pytest.mark.parametrize("trouble", ["emptied", "slow", "full"])
def test_a_broker_in_trouble_costs_no_payment_and_no_notice_its_time(request_payment, control, valkey, trouble):
    by_notice, by_worker = request_payment(), request_payment()
    match trouble:
        case "emptied":
            valkey.flushall()
        case "slow":
            valkey.execute_command("CLIENT", "PAUSE", "4000", "ALL")
        case "full":
            valkey.config_set("maxmemory-policy", "noeviction")
            valkey.config_set("maxmemory", "1")

    control("pay", out_trade_no=by_notice.out_trade_no)
    waited = purchase.until("paid by its notice", lambda: purchase.page_state(by_notice) == "paid")
    assert waited < 3, "a notice does not wait for the broker"
    control("faults", mute="true")
    control("pay", out_trade_no=by_worker.out_trade_no)
    if trouble == "full":
        valkey.config_set("maxmemory", "0")

    purchase.until("the worker catches up", lambda: purchase.page_state(by_worker) == "paid", patience_s=120)


def _pings(sockets: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(sockets / "valkey.sock")) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.mark.rows("F20")
def test_a_broker_that_dies_delays_questions_and_loses_nothing(request_payment, control, product, kill_valkey):
    kill, start = kill_valkey
    by_notice, by_worker = request_payment(), request_payment()
    kill()

    control("pay", out_trade_no=by_notice.out_trade_no)
    purchase.until("paid by its notice", lambda: purchase.page_state(by_notice) == "paid")
    control("faults", mute="true")
    control("pay", out_trade_no=by_worker.out_trade_no)
    assert purchase.page_state(by_worker) == "waiting"
    start()

    purchase.until("the worker catches up", lambda: purchase.page_state(by_worker) == "paid", patience_s=120)
    product.check_alive("worker", "beat")
