"""What `make matrix` makes of a run: every row with its tests, and the rows without one."""

from pathlib import Path

import pytest

from config.local import matrix as room
from config.local.matrix import Case, known_rows, matrix, read_proofs, read_results, report

ROWS = {"F01": "killed early", "F02": "killed late", "N01": "no signature", "X06": "no password"}


def test_a_row_passes_fails_or_stands_without_a_test():
    cases = [
        Case("tests/a.py::test_one[x]", ("F01", "N01"), "passed"),
        Case("tests/a.py::test_one[y]", ("F01", "N01"), "passed"),
        Case("tests/a.py::test_two", ("N01",), "failed"),
        Case("tests/a.py::test_three", ("X06",), "skipped"),
        Case("tests/a.py::test_four", (), "failed"),
    ]

    lines, failed = report(ROWS, cases)

    assert failed == 1
    assert lines == [
        "F01   passed  killed early",
        "        passed    2 x tests/a.py::test_one",
        "N01   failed  no signature",
        "        passed    2 x tests/a.py::test_one",
        "        failed    1 x tests/a.py::test_two",
        "",
        "without a test that ran: 2",
        "F02   -       killed late",
        "X06   -       no password",
        "",
        "matrix: 1 passed, 1 failed",
    ]


def test_results_are_read_as_pytest_writes_them(tmp_path: Path):
    written = tmp_path / "results.xml"
    case = '<testcase classname="tests.a" name="{}"><properties><property name="row" value="F01"/></properties>{}</testcase>'
    ends = [("ok", ""), ("bad", "<failure/>"), ("broken", "<error/>"), ("left", "<skipped/>")]
    written.write_text(f"<testsuites><testsuite>{''.join(case.format(*end) for end in ends)}</testsuite></testsuites>")

    found = read_results(written)

    assert [(each.name, each.rows, each.result) for each in found] == [
        ("tests/a.py::ok", ("F01",), "passed"), ("tests/a.py::bad", ("F01",), "failed"),
        ("tests/a.py::broken", ("F01",), "failed"), ("tests/a.py::left", ("F01",), "skipped"),
    ]  # fmt: skip


def test_the_list_has_every_row_once_and_gives_each_a_title():
    rows = known_rows()
    counted = {letter: sum(row[0] == letter for row in rows) for letter in "FNROCMDXI"}

    assert counted == {"F": 78, "N": 30, "R": 7, "O": 9, "C": 17, "M": 20, "D": 12, "X": 16, "I": 36}
    assert list(rows) == list(dict.fromkeys(rows))


def test_an_unknown_word_is_refused(capsys):
    assert matrix(["--stale"]) == 2
    assert "--stored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verdict", "result"),
    [
        ("chaos: 200 kills, 5088 orders, 0 fen lost, 0 fen doubled, 0 violations", "passed"),
        ("chaos: 200 kills, 5088 orders, 10 fen lost, 0 fen doubled, 0 violations", "failed"),
        ("chaos: 20 passed, 1 failed", "failed"),
        ("chaos: a table that ends in the middle", "failed"),
    ],
)
def test_a_row_may_be_shown_by_a_proof_and_what_it_last_found(tmp_path: Path, monkeypatch, verdict, result):
    (tmp_path / "matrix.txt").write_text("F08 killed at random [make chaos]\nF77 all at once [make chaos, soak]\n")
    (tmp_path / "chaos.txt").write_text(f"then, there\na table\n{verdict}\n")
    monkeypatch.setattr(room, "ROWS", tmp_path / "matrix.txt")
    monkeypatch.setattr(room, "FIGURES", tmp_path)

    assert known_rows() == {"F08": "killed at random", "F77": "all at once"}
    assert read_proofs() == [
        Case(f"make {verdict} (then, there)", ("F08", "F77"), result),
        Case("make soak (never run)", ("F77",), "skipped"),
    ]


def test_every_proof_that_a_row_names_is_a_target():
    named = {each.name.split()[1].rstrip(":") for each in read_proofs()}

    assert named == {
        "api-fuzz", "bulk-refund-proof", "chaos", "crash-points", "disk-full", "failover", "order-race", "reconcile-proof",
        "refund-race", "simulate", "soak",
    }  # fmt: skip
