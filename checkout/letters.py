"""A mail's HTML, made from its text: so both say the same words, and whoever writes a mail writes it once.

In the text a blank line parts blocks; "title  × 2  ¥88.80" (cells two spaces apart) is a row; an address on a line of its
own is a button named by the line above it. The last block is the foot.
"""

import re
from dataclasses import dataclass
from typing import Literal

from django.template.loader import render_to_string

CELLS = re.compile(r" {2,}")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a letter. `lines` of words, `rows` of cells, or a button's `lines` and its address."""

    kind: Literal["words", "rows", "button"]
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    address: str = ""


def letter(text: str, *, subject: str, language: str) -> str:
    """The whole HTML document; nothing in it is fetched from anywhere.

    language  as in LANGUAGES: zh-hans, en
    """
    *blocks, foot = [block for part in re.split(r"\n{2,}", text.strip()) for block in _blocks(part.splitlines())]
    lang = "zh-Hans" if language == "zh-hans" else language
    return render_to_string("mails/_letter.html", {"blocks": blocks, "foot": foot, "subject": subject, "lang": lang})


def _blocks(lines: list[str]) -> list[Block]:
    """One part of the text as blocks, in order: words, then rows, then words again, as its lines come."""
    blocks: list[Block] = []
    for line in lines:
        cells = tuple(CELLS.split(line.strip()))
        last = blocks[-1] if blocks else None
        if line.startswith(("http://", "https://")):
            named = last.lines if last and last.kind == "words" else ()
            blocks = [*(blocks[:-1] if named else blocks), Block("button", lines=named or (line,), address=line)]
        elif len(cells) > 1:
            rows = last.rows if last and last.kind == "rows" else ()
            blocks = [*(blocks[:-1] if rows else blocks), Block("rows", rows=(*rows, cells))]
        else:
            words = last.lines if last and last.kind == "words" else ()
            blocks = [*(blocks[:-1] if words else blocks), Block("words", lines=(*words, line))]
    return blocks
