"""Whole stories: the product's real processes, a pretend Alipay, and Chromium."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from config.local import purchase
from config.local.places import ROOT
from config.local.servers import Servers
from config.local.smoke import CLOCKS
from config.local.stack import Stack, free_port, stack

API_KEY = "jz_" + "a" * 12 + "_" + "j" * 43
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 640}
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="session")
def revived() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Servers that a journey killed and started again; they live until the product has stopped."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def product(revived: object) -> Iterator[Stack]:
    """Web, worker, beat and the pretend Alipay, with the clocks of `make smoke`."""
    running = replace(Servers(Path(os.environ["TEST_SOCKETS"])), database="jiezhang_journeys")
    running.make_database()
    data = Path(os.environ["TEST_DATA"]) / "journeys"
    data.mkdir()
    staff = {"DEMO_EMAIL": "api@example.com", "DEMO_PASSWORD": secrets.token_hex(8), "DEMO_API_KEY": API_KEY}
    more = {**CLOCKS, **staff, "DATABASE_POOL": "8", "DJANGO_SETTINGS_MODULE": "config.settings.dev"}
    with stack(running, data, shop_port=free_port(), sandbox_port=free_port(), more=more, echo=False) as product:
        yield product


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    assert CHROMIUM, "no Chromium here. Run as root:  apt-get install --yes chromium libatomic1 fonts-wqy-microhei"
    quiet = [
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    return {
        **browser_type_launch_args, "executable_path": CHROMIUM,
        "args": [*quiet, "--disable-sync", "--no-first-run", *(["--no-sandbox"] if os.geteuid() == 0 else [])],
    }  # fmt: skip


@pytest.fixture(scope="session")
def manage(product: Stack) -> Iterator[Callable[..., dict[str, Any]]]:
    """A manage.py command's JSON, from a process that has Django loaded already."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.commands"], cwd=ROOT, env=product.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    into, out = process.stdin, process.stdout

    def run(*words: str) -> dict[str, Any]:
        into.write(json.dumps(words) + "\n")
        into.flush()
        return json.loads(out.readline())

    yield run
    into.close()
    process.wait(10)
    out.close()


@pytest.fixture
def request_payment(manage: Callable[..., dict[str, Any]]) -> Callable[..., purchase.Payment]:
    def request(scene: str = "qr", amount: str = "128.00", minutes: float = 15) -> purchase.Payment:
        facts = manage(
            "request_payment", "--amount", amount, "--subject", "明前龙井 50 克", "--scene", scene, "--json",
            "--minutes", str(minutes),
        )  # fmt: skip
        return purchase.Payment(**{name: facts[name] for name in purchase.Payment.__slots__})

    return request


@pytest.fixture
def control(product: Stack) -> Iterator[Callable[..., dict[str, Any]]]:
    """The pretend Alipay's control door; faults are switched off afterwards."""
    yield lambda action, **values: purchase.control(product, action, **values)
    purchase.control(product, "faults", clear="true")


@pytest.fixture
def open_browser(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A fresh browser window: its size, language, theme, and whether it runs script. Fails on script errors."""
    opened: list[BrowserContext] = []
    errors: list[str] = []

    def make(size: dict[str, int] = DESKTOP, language: str = "zh-CN", **more: Any) -> BrowserContext:
        context = browser.new_context(viewport=size, locale=language, **more)  # type: ignore[arg-type]  # a plain dict
        context.set_default_timeout(15_000)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_browser: Callable[..., BrowserContext]) -> Page:
    return open_browser().new_page()


@pytest.fixture
def axe() -> Callable[..., list[str]]:
    """What axe finds against WCAG 2.2 AA and good practice; only these of its rules, where some are named."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  # reads its script when imported

    everything = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]

    def run(page: Page, rules: list[str] | None = None) -> list[str]:
        chosen = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": everything}
        found = Axe().run(page, options={"runOnly": chosen}).response["violations"]
        return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]

    return run
