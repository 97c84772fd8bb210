"""What records keep for machines has words for people, in both languages: every door, step, purpose and kind of case."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from payments.admin.case_words import WORDS
from payments.models import Case
from payments.models.case import RULES
from payments.queries.people import DOORS
from payments.queries.record_words import ACTIONS, BILL_ACTIONS, PURPOSES

SOURCE = "\n".join(
    file.read_text() for app in ("payments", "checkout") for file in sorted((settings.ROOT / app).rglob("*.py"))
    if not {"migrations", "sandbox"} & set(Path(file).parts)
)  # fmt: skip
STEP = re.compile(r'AuditEvent\.objects\.add\(\s*[\w.]+,\s*"([a-z_]+)"')
DOOR = re.compile(
    r'(?:\b(?:actor|requester|approver)=|^(?:ACTOR|ALONE|ROBOT|RULE)(?:, \w+)? = )"([a-z:_]+)"', re.MULTILINE
)
PURPOSE = re.compile(r'\bpurpose="([a-z_]+)"')


@pytest.mark.parametrize(
    ("pattern", "words", "at_least"),
    [(STEP, {**ACTIONS, **BILL_ACTIONS}, 40), (DOOR, DOORS, 12), (PURPOSE, PURPOSES, 6)],
)
def test_what_the_code_writes_down_has_words_for_people(pattern, words, at_least):
    written = set(pattern.findall(SOURCE))

    assert len(written) >= at_least, "the pattern finds what it looks for"
    assert written - {name.rpartition(".")[2] for name in words} == set()


def test_every_kind_of_case_says_what_happened_and_what_helps_in_both_languages():
    assert set(WORDS) == set(Case.Kind.values) == {kind.value for kind in RULES}

    for kind in Case.Kind:
        said = {}
        for language in ("en", "zh-hans"):
            with override(language):
                said[language] = [str(kind.label), *map(str, WORDS[kind])]
        assert all(re.search("[一-鿿]", text) for text in said["zh-hans"]), kind
        assert not any(re.search("[一-鿿]", text) for text in said["en"]), kind
