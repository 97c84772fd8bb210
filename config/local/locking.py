"""`make lock`: pin every package with its hashes, for the whole project and for deployments."""

import subprocess
import sys
from pathlib import Path

from config.local.places import ROOT


def lock() -> int:
    """Renew both lock files from their .in files. The production set takes its versions from the whole one."""
    uv = str(Path(sys.executable).parent / "uv")
    options = ["--quiet", "--universal", "--generate-hashes", "--no-header", "--python-version", "3.11", "--upgrade"]
    for name, more in (("requirements", []), ("requirements-production", ["-c", "requirements.txt"])):
        command = [uv, "pip", "compile", *options, *more, f"{name}.in", "-o", f"{name}.txt"]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            return 1
    return 0
