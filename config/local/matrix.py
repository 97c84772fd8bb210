"""`make matrix`: one run of the suite, read as "row of the reliability matrix -> tests -> result"."""

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.local.places import ROOT
from config.local.proofs.figures import FIGURES
from config.local.testing import RESULTS, test

ROWS = ROOT / "docs" / "matrix.txt"
_ROW = re.compile(r"(?P<id>[A-Z]-?\d{2}) (?P<title>.+?)(?: \[make (?P<proof>.+)\])?")
_COUNTED = re.compile(r"\b(\d+) (?:failed|violations|over-refunds|fen lost|fen doubled)")


@dataclass(frozen=True, slots=True)
class Case:
    """One test or proof that ran, with the rows it covers."""

    name: str
    rows: tuple[str, ...]
    result: str  # passed, failed or skipped


def matrix(words: list[str]) -> int:
    """Run the suite and print its rows; `--stored` reads the last whole run instead. The exit code is 1 when one failed."""
    if words not in ([], ["--stored"]):
        print("matrix: takes no words but --stored, which reads the results of the last whole `make test`")
        return 2
    ran_well = bool(words) or test([]) == 0
    if not RESULTS.exists():
        print(f"matrix: no results in {RESULTS}; run it without --stored")
        return 1
    lines, failed = report(known_rows(), [*read_results(RESULTS), *read_proofs()])
    print("\n".join(lines))
    return 0 if ran_well and not failed else 1


def known_rows() -> dict[str, str]:
    """Every row's id and title, in the order of the matrix."""
    return {row["id"]: row["title"] for row in _rows()}


def read_proofs() -> list[Case]:
    """What the proofs that rows name in brackets found when they last ran, from the figures they keep."""
    rows_of: dict[str, list[str]] = defaultdict(list)
    for row in _rows():
        for name in row["proof"].split(", ") if row["proof"] else []:
            rows_of[name].append(row["id"])
    return [_proof(name, tuple(rows)) for name, rows in rows_of.items()]


def read_results(path: Path) -> list[Case]:
    """The tests of a junit file that `make test` wrote."""
    return [_case(element) for element in ElementTree.parse(path).iter("testcase")]  # noqa: S314  # a file of our own


def report(rows: Mapping[str, str], cases: Iterable[Case]) -> tuple[list[str], int]:
    """The lines to print and how many rows failed. A row passes when a test of it ran and none of them failed."""
    by_row: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for row in case.rows:
            by_row[row].append(case)
    results = {row: _together(case.result for case in by_row[row]) for row in rows}
    lines = []
    for row in (row for row in rows if results[row] != "skipped"):
        lines += [f"{row:5} {results[row]:6}  {rows[row]}", *_tests(by_row[row])]
    bare = [row for row in rows if results[row] == "skipped"]
    lines += ["", f"without a test that ran: {len(bare)}", *(f"{row:5} {'-':6}  {rows[row]}" for row in bare), ""]
    passed, failed = (sum(result == word for result in results.values()) for word in ("passed", "failed"))
    return [*lines, f"matrix: {passed} passed, {failed} failed"], failed


def _tests(cases: list[Case]) -> list[str]:
    """A line for each test function: its name without parameters, how often it ran, and what came of it."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        by_name[case.name.split("[")[0]].append(case.result)
    return [f"        {_together(results):7} {len(results):3} x {name}" for name, results in by_name.items()]


def _together(results: Iterable[str]) -> str:
    """Failed when one did; passed when at least one did and none failed; else skipped."""
    seen = set(results)
    return next((word for word in ("failed", "passed") if word in seen), "skipped")


def _rows() -> list[re.Match[str]]:
    return [row for line in ROWS.read_text().splitlines() if (row := _ROW.fullmatch(line))]


def _proof(name: str, rows: tuple[str, ...]) -> Case:
    kept = FIGURES / f"{name}.txt"
    if not kept.exists():
        return Case(f"make {name} (never run)", rows, "skipped")
    when, *_, verdict = kept.read_text().splitlines()
    good = {int(count) for count in _COUNTED.findall(verdict)} == {0}  # a verdict that counts nothing shows nothing
    return Case(f"make {verdict} ({when})", rows, "passed" if good else "failed")


def _case(element: ElementTree.Element) -> Case:
    result = "passed"
    if element.find("skipped") is not None:
        result = "skipped"
    if element.find("failure") is not None or element.find("error") is not None:
        result = "failed"
    rows = tuple(each.get("value", "") for each in element.iter("property") if each.get("name") == "row")
    name = f"{element.get('classname', '').replace('.', '/')}.py::{element.get('name')}"
    return Case(name, rows, result)
