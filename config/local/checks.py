"""`make check`: everything that can be known without running the product."""

import subprocess
import sys
from pathlib import Path

from config.local.places import ROOT


def check() -> int:
    """Run every check; the exit code is 1 when one failed. Each says what to mend."""
    tool = Path(sys.executable).parent
    manage = [sys.executable, "manage.py"]
    steps: dict[str, list[str]] = {
        "lint": [f"{tool}/ruff", "check", "."],
        "format": [f"{tool}/ruff", "format", "--check", "."],
        "types": [f"{tool}/mypy", "."],
        "layers": [f"{tool}/lint-imports"],
        "migrations": [*manage, "makemigrations", "--check", "--dry-run", "--verbosity", "1"],
        "settings": [*manage, "check", "--fail-level", "WARNING"],
        "templates and translations": [sys.executable, "-m", "config.local", "messages", "--check"],
    }
    failed = []
    for name, command in steps.items():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{'passed' if done.returncode == 0 else 'failed'}  {name}", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print((done.stdout + done.stderr).strip(), flush=True)
    print(f"check: {len(steps) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0
