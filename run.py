#!/usr/bin/env python3
"""Everything this project can do on a bare machine: `python3 run.py TARGET`. Needs Python 3.11 and pip, nothing else.

Targets
  setup     make .venv with the locked packages, and install what the machine lacks; starts nothing
  demo      run the whole product here, prove one purchase, stay until Ctrl-C
  test      the whole suite, on real servers, real workers and a real browser (further words go to pytest)
  matrix    the whole suite once, read as "row of docs/matrix.txt -> tests -> result" (--stored: of the last `make test`)
  smoke     the main jobs on free ports, without hands, one line a step
  check     lint, types, layers, migrations, settings, templates, translations
  lighthouse  the pages in the judgement of Lighthouse: medians of five runs, kept in docs/figures/lighthouse.txt
  bench     speed against floors measured in the same run (further words name the bench)
  sdk-proof  our client and a public SDK against the pretend Alipay, every method in both modes, as a table
  simulate  histories of every fault at once under a moved clock: HISTORIES=60 SEED=1
  crash-points  the process killed at every point of every flow
  chaos     the real processes under load, killed at random instants, then both books compared: KILLS=20 ORDERS=5000 SEED=1
  soak      mixed load for long, a fault every 30 s, all invariants each minute, our memory watched: MINUTES=60 SEED=1
  disk-full  PostgreSQL's volume full under load, and free again: ORDERS=400 SEED=1 (mounts a small volume: as root)
  failover  PostgreSQL lost under load, a standby that is behind takes over: ORDERS=600 SEED=1
  guards    each guard taken out in turn, and its test seen failing
  refund-race  refunds of one payment at once from many processes: TRIALS=1000 SEED=1
  bulk-refund-proof  thousands of refunds for one reason, the worker killed in each phase: ORDERS=5000 KILLS=3 SEED=1
  reconcile-proof  planted differences in a day's bills, found and nothing else, killed anywhere: LINES=10000 KILLS=20 SEED=1
  api-fuzz  requests made up from the API's description against the real server: REQUESTS=20000 SEED=1
  order-race  notice, return, poll, close and refund on one order at once, from five processes: TRIALS=1000 SEED=1
  code      the present second-factor code of the running demo's staff login
  protocol-proof  sign and verify against the openssl program, and refuse what was altered (further words go to the proof)
  lock      renew requirements.txt and requirements-production.txt from the .in files
  messages  gather the texts of templates and code into locale/, and say what is not translated
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.txt"
STAMP = VENV / "installed-from"
BROWSER_PACKAGES = ["chromium", "libatomic1", "fonts-wqy-microhei"]
NEEDS_BROWSER = {"setup", "test", "matrix", "lighthouse"}
TARGETS = set(re.findall(r"^  ([a-z][a-z-]*)  ", __doc__, re.MULTILINE))  # those named above


def main() -> int:
    target, *words = sys.argv[1:] or ["--help"]
    if target not in TARGETS:
        print(__doc__.strip())
        return 0 if target in ("-h", "--help", "help") else 2
    if sys.version_info < (3, 11):
        return complain(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    os.chdir(ROOT)
    try:
        install_packages()
        if target in NEEDS_BROWSER:
            install_browser(required=target != "setup")
    except SetupFailed as failure:
        return complain(str(failure))
    build_messages()
    if target == "setup":
        print("setup: done. Next: make demo")
        return 0
    os.execv(PYTHON, [str(PYTHON), "-m", "config.local", target, *words])


class SetupFailed(Exception):
    """The machine lacks something we may not or cannot install; the text names the command that mends it."""


def install_packages() -> None:
    """Bring .venv to what requirements.txt locks. Does nothing when it already is.

    Raises SetupFailed.
    """
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    print("setup: installing the locked packages into .venv", flush=True)
    if not PYTHON.exists() or not runs([PYTHON, "-m", "pip", "--version"], quiet=True):
        shutil.rmtree(VENV, ignore_errors=True)
        if not runs([sys.executable, "-m", "venv", VENV], quiet=True):
            install_with_apt(["python3-venv"], why="this Python has no venv module with pip")
            if not runs([sys.executable, "-m", "venv", VENV]):
                raise SetupFailed("python3 -m venv .venv does not work here; its message is above.")
    uv_pin = next(line.split()[0] for line in LOCK.read_text().splitlines() if line.startswith("uv=="))
    with_uv = [VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", "-r", LOCK]
    with_pip = [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", LOCK]
    has_uv = runs([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", uv_pin])
    trusting = {**os.environ, "UV_SYSTEM_CERTS": "1"}  # the machine's own authorities, as pip does
    if not (has_uv and runs(with_uv, env=trusting)) and not runs(with_pip):
        raise SetupFailed("The packages of requirements.txt could not be installed; pip's message is above.")
    STAMP.write_text(wanted)


def install_browser(*, required: bool) -> None:
    """See that Chromium, what Playwright needs, and a Chinese font are here.

    Raises SetupFailed when required and impossible.
    """
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    has_atomic = any(
        Path(folder).glob("**/libatomic.so.1") for folder in ("/usr/lib", "/lib64") if Path(folder).exists()
    )
    has_font = any(Path("/usr/share/fonts").glob("**/wqy-microhei.ttc")) or any(
        Path("/usr/share/fonts").glob("**/*CJK*")
    )
    if found and has_atomic and has_font:
        return
    try:
        install_with_apt(BROWSER_PACKAGES, why="the pages are tested in a real browser")
    except SetupFailed as failure:
        if required:
            raise
        print(f"setup: {failure}", flush=True)


def install_with_apt(packages: list[str], *, why: str) -> None:
    """Install Debian packages. Raises SetupFailed, naming the command, where that is not permitted or fails."""
    command = f"apt-get install --yes {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupFailed(f"{why[0].upper()}{why[1:]}, and that is missing here. Run as root:  {command}")
    print(f"setup: {command}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    runs(["apt-get", "update", "-qq"], quiet=True, env=quiet)
    if not runs(["apt-get", "install", "--yes", "--no-install-recommends", "-qq", *packages], quiet=True, env=quiet):
        raise SetupFailed(f"{why[0].upper()}{why[1:]}, and this failed here:  {command}")


def build_messages() -> None:
    """Compile locale/*.po into the .mo files Django reads, without the gettext programs."""
    for source in ROOT.glob("locale/*/LC_MESSAGES/*.po"):
        built = source.with_suffix(".mo")
        if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
            code = "import polib, sys; polib.pofile(sys.argv[1]).save_as_mofile(sys.argv[2])"
            subprocess.run([PYTHON, "-c", code, source, built], check=True)


def runs(command: list[object], *, quiet: bool = False, env: dict[str, str] | None = None) -> bool:
    """Run a program to its end; True when it ended well."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run([str(word) for word in command], stdout=output, stderr=output, env=env).returncode == 0


def complain(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
