"""What a proof found, kept under docs/figures: written by the command that measured it, never by hand."""

import platform
import subprocess
from datetime import UTC, datetime

from config.local.places import ROOT

FIGURES = ROOT / "docs" / "figures"


def keep(name: str, lines: list[str]) -> None:
    """Write docs/figures/NAME.txt: when, on what, at which commit, and the lines. The last one is the verdict."""
    (FIGURES / f"{name}.txt").write_text("\n".join([where(), *lines]) + "\n")


def where() -> str:
    """The time, the commit and the Python of a proof."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit or 'unknown'}, Python {platform.python_version()}"
