"""`make sdk-proof`: our client and a public SDK against the pretend Alipay, in key and in certificate mode, as a table."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from config.local.places import ROOT, RUN
from config.local.stack import answers, free_port

SDK = RUN / "sdk"
LOCK = ROOT / "tests/sandbox/sdk-requirements.txt"
MODES = ("key", "certificate")
CLIENTS = ("ours", "sdk")
PATIENCE_S = 60.0
Cell = tuple[bool, str]
Commands = list[list[str | Path]]


def sdk_proof() -> int:
    """Print the table and, below it, what failed. The exit code is 1 when anything did."""
    table = proved()
    columns = [f"{client} {mode}" for client in CLIENTS for mode in MODES]
    width = max(map(len, table))
    print(f"{'':{width}}  {'  '.join(f'{each:>16}' for each in columns)}")
    for name, cells in table.items():
        words = [_word(cells.get(each)) for each in columns]
        print(f"{name:{width}}  {'  '.join(f'{each:>16}' for each in words)}")
    every = [(name, column, cell) for name, cells in table.items() for column, cell in cells.items()]
    failed = [each for each in every if not each[2][0]]
    for name, column, (_, said) in failed:
        print(f"FAILED  {column}: {name}: {said}")
    print(f"sdk-proof: {len(every) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def proved() -> dict[str, dict[str, Cell]]:
    """Each step's result by client and mode: whether it passed, and what went wrong."""
    install_sdk()
    table: dict[str, dict[str, Cell]] = {}
    for mode in MODES:
        with tempfile.TemporaryDirectory() as folder, _alipay(Path(folder), mode) as url:
            for client in CLIENTS:
                for name, cell in _walked(client, url, Path(folder), mode):
                    table.setdefault(name, {})[f"{client} {mode}"] = cell
    return table


def install_sdk() -> None:
    """Bring the SDK's own environment to what its lock says: two SDKs of Alipay share one package name. Raises RuntimeError."""
    wanted, stamp = sha256(LOCK.read_bytes()).hexdigest(), SDK / "installed-from"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(SDK, ignore_errors=True)
    RUN.mkdir(exist_ok=True)
    python, uv = SDK / "bin/python", Path(sys.executable).parent / "uv"
    hashed: list[str | Path] = ["--quiet", "--require-hashes", "-r", LOCK]
    with_uv: Commands = [
        [sys.executable, "-m", "venv", "--without-pip", SDK],
        [uv, "pip", "install", "--python", python, *hashed],
    ]
    with_pip: Commands = [[sys.executable, "-m", "venv", "--clear", SDK], [python, "-m", "pip", "install", *hashed]]
    for commands in [with_uv, with_pip] if uv.exists() else [with_pip]:
        if all(subprocess.run(each, check=False).returncode == 0 for each in commands):
            stamp.write_text(wanted)
            return
    raise RuntimeError("the SDK could not be installed; the installer's message is above")


@contextmanager
def _alipay(folder: Path, mode: str) -> Iterator[str]:
    """A pretend Alipay of its own, for this walk."""
    port = free_port()
    command = [
        sys.executable, "manage.py", "alipay_sandbox", "--port", str(port), "--data", str(folder), "--mode", mode,
        "--seed", "1", "--order", "mixed",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(int(PATIENCE_S / 0.1)):
        if answers(f"{url}/healthz"):
            return
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError("the pretend Alipay did not start")


def _walked(client: str, url: str, folder: Path, mode: str) -> Iterator[tuple[str, Cell]]:
    words = ["--url", url, "--data", str(folder), "--mode", mode, "--prefix", client]
    command = {
        "ours": [sys.executable, "-m", "tests.sandbox.own_client", *words],
        "sdk": [str(SDK / "bin/python"), "-m", "tests.sandbox.sdk_client", *words],
    }[client]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    for line in done.stdout.splitlines():
        name, passed, said = json.loads(line)
        yield name, (passed, said)
    if done.returncode != 0:
        yield "the walk comes to its end", (False, done.stderr.strip()[-500:])


def _word(cell: Cell | None) -> str:
    return "-" if cell is None else "passed" if cell[0] else "FAILED"
