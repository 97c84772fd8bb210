"""`make guards`: each guard is taken out in turn in a scratch copy, and its own test must be seen to fail there.

A test that passes with and without the thing it tests is worth nothing. With every guard in place all of them pass first.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from config.local.places import ROOT, scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.guard_list import GUARDS, TESTS, Guard
from config.local.servers import Servers
from config.local.testing import TEMPLATE, template

PRISTINE = "jiezhang_pristine"


def guards() -> int:
    """Run all; the exit code is 1 when a test passes without its guard, or fails with it."""
    rows, failed = [], 0
    with scratch_folder() as scratch, template() as environment:
        copy = _copied(scratch / "without")
        servers = replace(Servers(Path(environment["TEST_SOCKETS"])), database=TEMPLATE)
        servers.sql(f"CREATE DATABASE {PRISTINE} TEMPLATE {TEMPLATE} OWNER jiezhang_owner")
        with_all = _tested(copy, environment, *sorted({guard.test for guard in GUARDS}))
        print(f"{'passed' if with_all == 0 else 'failed'}  every test with every guard in place", flush=True)
        for guard in GUARDS:
            is_missed = _tested_without(guard, copy, servers, environment) == 1
            failed += not is_missed
            rows.append(f"{'passed' if is_missed else 'failed'}  {guard.name}: {guard.test}")
            print(rows[-1], flush=True)
    failed += with_all != 0
    line = f"guards: {len(GUARDS) + 1 - failed} passed, {failed} failed"
    keep("guards", [f"{'passed' if with_all == 0 else 'failed'}  with every guard in place", *rows, line])
    print(line)
    return 1 if failed else 0


def _copied(to: Path) -> Path:
    """The checkout's own files and the translations made of them; what else git does not know stays behind."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made = [str(each.relative_to(ROOT)) for each in ROOT.glob("locale/**/*.mo")]
    for name in filter(None, [*listed.split("\0"), *made]):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, to / name)
    return to


def _tested_without(guard: Guard, copy: Path, servers: Servers, environment: dict[str, str]) -> int:
    """pytest's exit code with this guard alone taken out: 1 where a test has failed, which is what must happen."""
    if isinstance(guard.without, str):
        servers.sql(guard.without, database=TEMPLATE)
        try:
            return _tested(copy, environment, guard.test)
        finally:
            servers.sql(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")
            servers.sql(f"CREATE DATABASE {TEMPLATE} TEMPLATE {PRISTINE} OWNER jiezhang_owner")
    name, text, instead = guard.without
    whole = (copy / name).read_text()
    if text not in whole:
        return -1  # the guard is spelt in another way by now: this list must follow
    (copy / name).write_text(whole.replace(text, instead))
    try:
        return _tested(copy, environment, guard.test)
    finally:
        (copy / name).write_text(whole)


def _tested(copy: Path, environment: dict[str, str], *tests: str) -> int:
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "-n",
        "0",
        *(f"{TESTS}/{test}" for test in tests),
    ]
    quiet = {**os.environ, **environment, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=copy, env=quiet, capture_output=True, text=True, check=False)
    if len(tests) > 1 and done.returncode:
        print(done.stdout[-3000:], flush=True)
    return done.returncode
