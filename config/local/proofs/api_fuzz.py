"""`make api-fuzz`: requests made up from the published description, against the real server, one leading to another.

Counted as failed: an answer of 500 or above (503 with Retry-After is an honest answer and counted apart), or one that the
description does not allow: another status, content type or body. Afterwards the books must hold together.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from config.local.places import ROOT
from config.local.proofs.figures import keep
from config.local.servers import servers
from config.local.stack import Stack, free_port, stack

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEAST_KEPT = 10_000  # fewer show too little to be kept
PHASES, MOST_ROUNDS = "coverage,fuzzing,stateful", 200
KEY = "jz_" + "f" * 12 + "_" + "z" * 43


def api_fuzz(*, requests: int, seed: int) -> int:
    """Make up so many requests. Returns the exit code: 0 when none failed."""
    with tempfile.TemporaryDirectory(prefix="co-fuzz-") as folder:
        data = Path(folder)
        data.chmod(0o755)
        with servers(data, durable=False) as running:
            ports = {"shop_port": free_port(0), "sandbox_port": free_port(0)}
            with stack(running, data, **ports, more=_environment(), echo=False) as product:
                reports = _fuzzed(product, data, requests=requests, seed=seed)
                books = product.manage("check_invariants")
    made, failed = _counted(reports)
    rounds = f"{len(reports)} rounds from seed {seed}; afterwards {books.strip().splitlines()[-1]}"
    lines = [f"{made} requests in {rounds}", f"api-fuzz: {made - failed} passed, {failed} failed"]
    if made >= LEAST_KEPT:
        keep("api-fuzz", lines)
    print("\n".join(lines))
    return 1 if failed or made < requests else 0


def _environment() -> dict[str, str]:
    return {
        "DEMO_EMAIL": "fuzz@example.com", "DEMO_PASSWORD": "fuzz-only", "DEMO_API_KEY": KEY, "API_MOST_PER_KEY": "10000000",
        "API_MOST_PER_ADDRESS": "10000000", "SECRET_KEY": "f" * 60,
    }  # fmt: skip


def _fuzzed(product: Stack, data: Path, *, requests: int, seed: int) -> list[dict[str, Any]]:
    """What each round reports, until enough requests were made. Later rounds have other seeds and dig deeper."""
    reports: list[dict[str, Any]] = []
    while (made := sum(_requests(each) for each in reports)) < requests and len(reports) < MOST_ROUNDS:
        examples = max(3, min(60, (requests - made) // 60))
        reports.append(
            _round(product, data / f"round-{len(reports)}.json", seed=seed + len(reports), examples=examples)
        )
        print(f"  seed {seed + len(reports) - 1}: {_requests(reports[-1])} requests", flush=True)
    return reports


def _round(product: Stack, path: Path, *, seed: int, examples: int) -> dict[str, Any]:
    """One run of Schemathesis; what it found is printed in its own words."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{product.shop}/api/v1/schema", "--header",
        f"Authorization: Bearer {KEY}", "--checks", CHECKS, "--phases", PHASES, "--max-examples", str(examples), "--seed",
        str(seed), "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "30",
        "--report", "json", "--report-json-path", str(path), "--no-color",
    ]  # fmt: skip
    steered = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "config.local.proofs.api_fuzz_hooks"}
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, env=steered, check=False)
    if done.returncode != 0:
        print(done.stdout[-20_000:], done.stderr[-2_000:])
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def _requests(report: dict[str, Any]) -> int:
    return int(report["test_cases"]["generated"])


def _counted(reports: list[dict[str, Any]]) -> tuple[int, int]:
    """How many requests were made, and how many of them or of the rounds failed."""
    failed = sum(
        each["test_cases"]["with_failures"]
        + each["test_cases"]["errored"]
        + (not each["complete"])
        + len(each["errors"])
        for each in reports
    )
    return sum(_requests(each) for each in reports), failed
