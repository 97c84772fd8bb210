"""`make lighthouse`: how fast, open and well made the pages are in the judgement of Lighthouse, medians of five runs.

The npm package is installed at one version into the git-ignored .run/; the browser is the one the tests use.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config.local import purchase
from config.local.places import ROOT, RUN, scratch_folder
from config.local.purchase import StepFailed
from config.local.servers import ServersFailed, servers
from config.local.shopper import CONTACT, Shopper
from config.local.stack import Stack, StackFailed, free_port, stack

VERSION = "12.8.2"  # the last that Debian's Node.js runs
RUNS, TRIES, LEAST, PATIENCE_S = 5, 3, 95, 120
KINDS = ("performance", "accessibility", "best-practices", "seo")
FIGURES = ROOT / "docs" / "figures" / "lighthouse.txt"
NOT_FOR_SEARCH = frozenset({"checkout 1", "checkout 2", "paying"})  # noindex on purpose


class LighthouseFailed(Exception):
    """It can't be had or gave no figures; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One page to judge, with the cookies of a shopper who is there."""

    page: str
    address: str
    cookies: str


def lighthouse() -> int:
    """Judge every page; the exit code is 1 when a median is short."""
    try:
        program, chromium = _installed(), _chromium()
        with (
            scratch_folder() as data,
            servers(data, durable=False) as running,
            stack(running, data, shop_port=free_port(), sandbox_port=free_port(), more={}, echo=False) as product,
        ):
            medians = {visit.page: _median(program, chromium, visit, data) for visit in _visits(product)}
    except (LighthouseFailed, ServersFailed, StackFailed, StepFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    table, failed = _table(medians)
    FIGURES.write_text(table)
    print(table, end="")
    print(f"lighthouse: {sum(len(kept) for kept in medians.values()) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _visits(product: Stack) -> Iterable[Visit]:
    """The pages in the order a shopper meets them."""
    shopper = Shopper(product.shop)
    yield Visit("catalogue", f"{product.shop}/", "")
    yield Visit("product", f"{product.shop}/goods/longjing/", "")
    shopper.open("/goods/longjing/")
    shopper.press("/cart/add", variant=shopper.value("variant"), quantity="1")
    yield Visit("checkout 1", f"{product.shop}/checkout/", shopper.cookies())
    shopper.open("/checkout/")
    shopper.press("/checkout/", **CONTACT)
    yield Visit("checkout 2", f"{product.shop}/checkout/pay/", shopper.cookies())
    payment = purchase.requested(product, amount="88.80", subject="明前龙井 50 克", scene="qr")
    yield Visit("paying", payment.page_url, "")


def _median(program: Path, chromium: str, visit: Visit, data: Path) -> dict[str, int]:
    """Each kind's median over the runs; performance is what a phone on slow 4G would see. Raises LighthouseFailed."""
    runs = [_tried(program, chromium, visit, data) for _ in range(RUNS)]
    kinds = KINDS[:-1] if visit.page in NOT_FOR_SEARCH else KINDS
    medians = {kind: round(statistics.median(run[kind] for run in runs)) for kind in kinds}
    print(f"{visit.page}: {medians}", flush=True)
    return medians


def _tried(program: Path, chromium: str, visit: Visit, data: Path) -> dict[str, float]:
    """One run. On a busy machine Lighthouse now and then loses its own recording and asks to be run again."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(LighthouseFailed):
            return _once(program, chromium, visit, data)
    return _once(program, chromium, visit, data)


def _once(program: Path, chromium: str, visit: Visit, data: Path) -> dict[str, float]:
    report = data / "lighthouse.json"
    report.unlink(missing_ok=True)
    flags = ["--headless=new", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    command = [
        str(program), visit.address, "--quiet", "--output=json", f"--output-path={report}",
        f"--only-categories={','.join(KINDS)}", f"--chrome-path={chromium}", f"--chrome-flags={' '.join(flags)}",
        *([f"--extra-headers={json.dumps({'Cookie': visit.cookies})}"] if visit.cookies else []),
    ]  # fmt: skip
    quiet = {**os.environ, "CI": "1"}
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    found = json.loads(report.read_text()) if report.exists() else {}
    if done.returncode != 0 or found.get("runtimeError") or found.get("finalDisplayedUrl") != visit.address:
        raise LighthouseFailed(f"{visit.page}: no figures.\n{done.stderr.strip()[-1500:]}")
    scores = {kind: found["categories"][kind]["score"] for kind in KINDS}
    if None in scores.values():
        raise LighthouseFailed(f"{visit.page}: a figure is missing: {scores}")
    return {kind: 100 * score for kind, score in scores.items()}


def _table(medians: dict[str, dict[str, int]]) -> tuple[str, int]:
    """The table to print and keep, and how many figures are short."""
    lines = [
        f"{'':12}" + "".join(f"{kind:>16}" for kind in KINDS) + f"    medians of {RUNS} runs, Lighthouse {VERSION}"
    ]
    failed = 0
    for page, kept in medians.items():
        lines.append(f"{page:12}" + "".join(f"{kept.get(kind, '-'):>16}" for kind in KINDS))
        failed += sum(figure < LEAST for figure in kept.values())
    return "\n".join(lines) + "\n", failed


def _installed() -> Path:
    """The program, installed into .run/ when it is not there. Raises LighthouseFailed."""
    folder = RUN / f"lighthouse-{VERSION}"
    program = folder / "node_modules" / ".bin" / "lighthouse"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise LighthouseFailed("Node.js and npm are missing here. Run as root:  apt-get install --yes nodejs npm")
    print(f"lighthouse: installing {VERSION} into {folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}')
    wanted = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"lighthouse@{VERSION}"]
    done = subprocess.run(wanted, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not program.exists():
        raise LighthouseFailed(f"npm could not install it:\n{done.stderr.strip()[-1500:]}")
    return program


def _chromium() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        raise LighthouseFailed("No Chromium here. Run as root:  apt-get install --yes chromium fonts-wqy-microhei")
    return found
