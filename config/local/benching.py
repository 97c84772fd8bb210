"""`make bench`: speed as ratios against floors measured in the same run."""

import os
import subprocess
import sys

from config.local.places import ROOT


def bench(words: list[str]) -> int:
    """Run every bench, or the ones named. The exit code is 1 when a target is missed."""
    names = words or sorted(path.stem for path in (ROOT / "bench").glob("[a-z]*.py"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    missed = [
        name
        for name in names
        if subprocess.run([sys.executable, f"bench/{name}.py"], cwd=ROOT, env=environment, check=False).returncode != 0
    ]
    print(f"bench: {len(names) - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0
