"""Where things lie on this machine, and who may reach them."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / ".run"
SYSTEM = Path("/var/lib/jiezhang") / hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
NOBODY = "nobody"


def server_user() -> str | None:
    """Who PostgreSQL runs as: it refuses root, so root hands it to nobody. None keeps the present user."""
    return NOBODY if os.geteuid() == 0 else None


def reachable(path: Path) -> bool:
    """Whether the server's user can enter this existing folder."""
    user = server_user()
    return (
        user is None
        or subprocess.run(["test", "-x", path], user=user, group="nogroup", extra_groups=[]).returncode == 0
    )


def data_folder(name: str) -> Path:
    """A folder that lasts, for the servers' data: in the checkout, or below /var/lib where their user can't reach that."""
    RUN.mkdir(exist_ok=True)
    folder = (RUN if reachable(RUN) else SYSTEM) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for one run alone, where the servers' user can reach it; removed at the end."""
    base = Path(tempfile.gettempdir())
    if not reachable(base):
        base = SYSTEM
        base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="jz-run-", dir=base))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def hand_over(folder: Path) -> None:
    """Give a folder to the server's user."""
    user = server_user()
    if user is not None:
        shutil.chown(folder, user, "nogroup")
