"""Why a bill was refused is read on Chinese pages: every reason that the code can give has its words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from payments.queries.bill_reasons import REASONS, ending_words, reason_words

ROOT = Path(__file__).parents[2] / "payments"
FILES = [*(ROOT / "alipay").glob("bill*.py"), *(ROOT / "services/books").glob("*.py")]
RAISED = {"MalformedBill", "NotABill", "SameLines", "OtherLines"}
SAYS = {"_strangeness"}  # its words stand behind "member 3"
NO_WORDS = {"line 7: 7", "7", "77", "member 7 7", "member 7 "}  # only what somebody else says


def said(call: ast.expr) -> str:
    """A text of the code as a reader could meet it: 7 for whatever is put into it."""
    if isinstance(call, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "7" for each in call.values)
    return str(call.value) if isinstance(call, ast.Constant) else "7"


def reasons() -> Iterator[str]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                yield said(node.args[0])
            if isinstance(node, ast.FunctionDef) and node.name in SAYS:
                yield from (
                    f"member 7 {said(each.value)}"
                    for each in ast.walk(node)
                    if isinstance(each, ast.Return) and each.value
                )


def test_every_reason_that_the_code_gives_is_said_in_chinese():
    found = {each for each in reasons() if each not in NO_WORDS}

    assert len(found) > 30
    with translation.override("zh-hans"):
        assert {each: words for each in found if (words := reason_words(each)).isascii() or words == each} == {}


def test_no_reason_stands_in_the_table_that_nothing_gives():
    text = "".join(path.read_text() for path in [*FILES, ROOT / "gateway.py", *(ROOT / "alipay").glob("*.py")])
    fixed = [max(each.replace("{", "}").split("}")[::2], key=len).strip() for each in REASONS]

    assert [each for each in fixed if each not in text] == []


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("line 9: 退款合计 says 1 lines and -880 fen, the lines above are 0 and 0",
         "第 9 行：退款合计为 1 笔、-880 分，而明细为 0 笔、0 分"),
        ("line 7 of the list: invalid input syntax", "明细第 7 行：invalid input syntax"),
        ("40004 isp.bill_not_exist", "40004 isp.bill_not_exist"),
    ],
)  # fmt: skip
def test_values_and_lines_stand_in_the_words_and_what_nobody_knows_stays_as_it_is(reason: str, words: str):
    with translation.override("zh-hans"):
        assert reason_words(reason) == words


def test_what_a_person_noted_is_not_touched():
    with translation.override("zh-hans"):
        assert ending_words("not sure") == "not sure"
        assert ending_words("found in bill:7") == "已在账单文件 7 中找到"
