"""Shared by all tests: a database per process, a merchant with keys, a pretend Alipay on a real socket."""

import asyncio
import json
import os
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web
from django.conf import settings
from django.db import connections
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker
from xdist.scheduler import LoadScopeScheduling

from config.local.matrix import ROWS, known_rows
from config.local.servers import OWNER
from config.local.testing import TEMPLATE
from payments import alarms, credentials, gateway
from payments.alipay.clock import to_beijing
from payments.alipay.facts import TradeFacts, TradeStatus
from payments.alipay.signing import notice_text, sign
from payments.models import AlipayKey, AuditEvent, GatewayCall, MerchantAccount, Order, Refund, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.sandbox.alipay import Alipay
from payments.sandbox.book import Book
from payments.sandbox.identity import Identity, identity_in
from payments.sandbox.web import Site
from payments.services import receive_notice as receiving
from payments.services.place_order import Line, place_order
from payments.services.second_factor import mark_proved

# Seconds each folder may take on two cores, about twice what it takes on a quiet machine; printed with what it took.
BUDGET = {"config": 60, "checkout": 80, "payments": 300, "sandbox": 90, "simulation": 120, "journeys": 480}
spent: dict[str, float] = defaultdict(float)


def pytest_configure() -> None:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop on the thread of the tests


class JourneysTogether(LoadScopeScheduling):
    """Journeys share one running product, so one process runs them all; the others go wherever there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return "journeys" if nodeid.startswith("tests/journeys/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return JourneysTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rows a test is marked with travel with its result, for `make matrix`. A row nobody knows is a mistake."""
    known = known_rows()
    for item in items:
        for row in dict.fromkeys(row for mark in item.iter_markers("rows") for row in mark.args):
            if row not in known:
                raise pytest.UsageError(f"{item.nodeid}: {ROWS.name} has no row {row}")
            item.user_properties.append(("row", row))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    spent[Path(report.nodeid.split("::")[0]).parts[1]] += report.duration


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for folder, seconds in sorted(spent.items()):
        over = "  over its budget" if seconds > BUDGET.get(folder, 0) else ""
        terminalreporter.write_line(f"tests/{folder:10} {seconds:6.1f} s of {BUDGET.get(folder, 0)} s{over}")


# --- the database ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker, worker_id: str) -> None:
    """A copy of the migrated template, used through the application's own role."""
    name = f"test_{worker_id}"
    with psycopg.connect(host=os.environ["TEST_SOCKETS"], user=OWNER, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
    for alias in connections:
        settings.DATABASES[alias]["NAME"] = connections[alias].settings_dict["NAME"] = name


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Real commits on as many connections as a test likes; emptied afterwards, as the owner."""
    with django_db_blocker.unblock():
        yield
        empty_tables()
        for alias in connections:
            connections[alias].close()


def empty_tables() -> None:
    """As the owner, with ids that begin anew."""
    tables = [model._meta.db_table for model in _our_models()]
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'payments_statementline'::regclass"
        )
        for (part,) in cursor.fetchall():  # named by ids that begin anew
            cursor.execute(f"DROP TABLE {part}")


def _our_models() -> list[Any]:
    from django.apps import apps  # noqa: PLC0415  # after the registry is filled

    return [model for label in ("payments", "checkout") for model in apps.get_app_config(label).get_models()]


# --- both sides' identities -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, Path]:
    """The pretend Alipay's numbers and keys, and the folder they lie in."""
    folder = tmp_path_factory.mktemp("alipay")
    return identity_in(folder, random.Random(7)), folder


@pytest.fixture(scope="session", autouse=True)
def _lines_are_closed() -> Iterator[None]:
    """No connection is left open at the end."""
    yield
    gateway.close_transport()


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """What a process keeps between requests must not leak from test to test."""
    yield
    gateway._merchants = (0.0, {})
    gateway._paces.clear()
    for open_here in gateway._transports.values():
        open_here._breakers.clear()
    alarms._reached.clear()
    credentials._parsed.clear()
    for each in (receiving._kept, receiving._refreshes):
        each.minute, each.used, each.left_out = -1, 0, 0


def make_merchant(identity: tuple[Identity, Path], gateway_url: str) -> MerchantAccount:
    numbers, folder = identity
    account = MerchantAccount.objects.create(
        app_id=numbers.app_id, seller_id=numbers.seller_id, name="山间茶铺", gateway_url=gateway_url
    )
    for kind, name in (
        (AlipayKey.Kind.APP_PRIVATE, "app_private_key.pem"),
        (AlipayKey.Kind.ALIPAY_PUBLIC, "alipay_public_key.pem"),
    ):
        since = database_now() - timedelta(days=1)
        AlipayKey.objects.create(account=account, kind=kind, key=(folder / name).read_text(), valid_from=since)
    return account


@pytest.fixture
def merchant(db: None, identity: tuple[Identity, Path]) -> MerchantAccount:
    """An account whose gateway nobody answers at."""
    return make_merchant(identity, "http://127.0.0.1:9/gateway.do")


# --- orders and attempts --------------------------------------------------------------------------------------------


@pytest.fixture
def make_order() -> Callable[..., Order]:
    def make(fen: int = 8880, **more: Any) -> Order:
        words = {"title": "明前龙井", "language": "zh-hans", "caller": "test", "now": database_now(), **more}
        return place_order(lines=[Line("明前龙井", Money(fen))], **words)

    return make


@pytest.fixture
def order(merchant: MerchantAccount, make_order: Callable[..., Order]) -> Order:
    return make_order()


@pytest.fixture
def make_attempt() -> Callable[..., Transaction]:
    """An attempt as Alipay's answer to precreate leaves it, without asking Alipay."""

    def make(order: Order, **values: Any) -> Transaction:
        now = database_now()
        number = values.pop("out_trade_no", f"20261122{random.randrange(16**12):012X}")
        facts = {
            "scene": Transaction.Scene.QR, "state": Transaction.State.PRESENTED, "qr_code": "https://qr.example/bax1",
            "presented_at": now, "time_expire": order.expires_at, "next_check_at": now + timedelta(minutes=1),
            "close_due_at": order.expires_at + timedelta(minutes=2), **values,
        }  # fmt: skip
        attempt = Transaction.objects.create(
            order=order, account=order.account, app_id=order.account.app_id, seller_id=order.account.seller_id,
            amount_fen=order.total_fen, out_trade_no=number, created_at=now, **facts,
        )  # fmt: skip
        AuditEvent.objects.add(attempt, "created", actor="buyer", state=Transaction.State.CREATED)
        if attempt.state == Transaction.State.PRESENTED:
            AuditEvent.objects.add(attempt, "presented", actor="gateway", state=attempt.state)
        return attempt

    return make


@pytest.fixture
def unsettled(order: Order, make_attempt: Callable[..., Transaction]) -> Transaction:
    return make_attempt(order)


def journalled(refund: Refund, *, outcome: str = "done") -> str:
    """Evidence for a refund: a call about it with a certain answer, as the sender journals it."""
    call = GatewayCall.objects.create(
        account=refund.transaction.account, transaction=refund.transaction, method="alipay.trade.refund", purpose="refund",
        number=refund.out_request_no, amount_fen=refund.amount_fen, outcome=outcome, ended_at=database_now(),
    )  # fmt: skip
    return f"call:{call.pk}"


# --- what Alipay says -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Says:
    """Speaks as Alipay: facts, and the same as signed notices."""

    who: Identity
    sequence: Iterator[int]

    def trade_no(self) -> str:
        return f"20261122220010000000{next(self.sequence):08d}"

    def facts(self, attempt: Transaction, **changes: Any) -> TradeFacts:
        """Paid in full, as ordered."""
        truth = TradeFacts(
            app_id=attempt.app_id, seller_id=attempt.seller_id, out_trade_no=attempt.out_trade_no,
            status=TradeStatus.PAID, trade_no=attempt.trade_no or self.trade_no(), total=attempt.amount,
            receipt=attempt.amount, paid_at=database_now(), total_text=attempt.amount.to_yuan(),
        )  # fmt: skip
        return replace(truth, **changes)

    def fields(self, attempt: Transaction, **changes: str | None) -> dict[str, str]:
        """The fields of a notice without its signature; None takes a field out."""
        moment = to_beijing(database_now())
        fields: dict[str, str | None] = {
            "notify_type": "trade_status_sync", "notify_id": f"n{next(self.sequence)}", "notify_time": moment,
            "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "app_id": attempt.app_id,
            "auth_app_id": attempt.app_id, "seller_id": attempt.seller_id, "out_trade_no": attempt.out_trade_no,
            "trade_no": attempt.trade_no or self.trade_no(), "trade_status": "TRADE_SUCCESS",
            "total_amount": attempt.amount.to_yuan(), "receipt_amount": attempt.amount.to_yuan(),
            "gmt_create": moment, "gmt_payment": moment, "subject": "明前龙井 50 克 & 茶杯", "buyer_logon_id": "159****5620",
            "fund_bill_list": json.dumps([{"amount": attempt.amount.to_yuan(), "fundChannel": "ALIPAYACCOUNT"}]),
            **changes,
        }  # fmt: skip
        return {name: value for name, value in fields.items() if value is not None}

    def signed(self, fields: dict[str, str], key: Any = None) -> dict[str, str]:
        text = notice_text(fields, keep_empty=False).encode(fields.get("charset", "utf-8"))
        return {**fields, "sign": sign(text, key or self.who.alipay_key)}

    def body(self, fields: dict[str, str]) -> bytes:
        return urllib.parse.urlencode(fields, encoding="gbk" if fields.get("charset") == "GBK" else "utf-8").encode()

    def notice(self, attempt: Transaction, **changes: str | None) -> bytes:
        """The raw body of a genuine notice."""
        return self.body(self.signed(self.fields(attempt, **changes)))


@pytest.fixture
def says(identity: tuple[Identity, Path]) -> Says:
    return Says(identity[0], iter(range(random.randrange(10**6), 10**8)))


# --- the pretend Alipay, running ------------------------------------------------------------------------------------


class Twin:
    """The pretend Alipay on a thread of this process, behind a real socket."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.site = self._run(self._start())

    def _fresh(self, address: str) -> Alipay:
        return Alipay(
            self.identity, Book(), chance=random.Random(11), address=address, least_life=timedelta(seconds=1),
            apart=timedelta(0),
        )  # fmt: skip

    async def _start(self) -> Site:
        site = Site(self._fresh("http://127.0.0.1:0"), timescale=0.001)
        runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        assert server._server is not None
        self.url = f"http://127.0.0.1:{server._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]  # asyncio's
        self.runner = runner
        return site

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def control(self, action: str, **values: str) -> dict[str, Any]:
        body = urllib.parse.urlencode(values).encode()
        with urllib.request.urlopen(f"{self.url}/control/{action}", data=body, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def reset(self) -> None:
        self.site.alipay = self._fresh(self.url)
        self.site.ahead = timedelta()

    def stop(self) -> None:
        """End the calls that a fault still holds, then the site, the loop and its thread."""
        self._run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _end(self) -> None:
        held = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await self.runner.cleanup()
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


@pytest.fixture(scope="session")
def running_twin(identity: tuple[Identity, Path]) -> Iterator[Twin]:
    twin = Twin(identity[0])
    yield twin
    twin.stop()


@pytest.fixture
def twin(running_twin: Twin) -> Twin:
    running_twin.reset()
    return running_twin


@pytest.fixture
def connected(db: None, identity: tuple[Identity, Path], twin: Twin) -> MerchantAccount:
    """An account whose gateway is the running twin. Its notices go nowhere: tests deliver them."""
    twin.control("faults", mute="true")
    return make_merchant(identity, f"{twin.url}/gateway.do")


@dataclass
class Receiver:
    """The shop's own system: keeps what it got, answers as told."""

    url: str = ""
    status: int = 200
    answer: bytes = b"taken"
    location: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.end_headers()
            if made.status != 204:
                self.wfile.write(made.answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def clocks(settings: Any) -> Callable[..., None]:
    """Change some of the PAYMENTS settings for one test."""

    def change(**values: Any) -> None:
        settings.PAYMENTS = {**settings.PAYMENTS, **values}

    return change


def enter(client: Client, user: User) -> Client:
    """This browser is a member of staff's, with the second factor proved just now."""
    client.force_login(user)
    session = client.session
    mark_proved(session, database_now())
    session.save()
    return client


def wait_until(holds: Callable[[], bool], patience_s: float = 10) -> None:
    """For what another process or thread does."""
    until = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)


def beijing(text: str) -> datetime:
    return datetime.fromisoformat(text + "+08:00")
