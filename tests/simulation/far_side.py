"""The wire replaced by a pretend Alipay in memory: its pure core decides, and this line between us and it fails on order."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit

from payments.alipay.client import Post
from payments.errors import NoAnswer, NotSent
from payments.sandbox.alipay import Alipay
from payments.sandbox.envelope import Style, written

ANOTHER_TRADE = "2026112422001000000000000000"


class Break(StrEnum):
    """What happens to one call."""

    REFUSED = "no connection"
    LOST = "lost on the way there"
    ERROR = "an error page, nothing processed"
    SWALLOWED = "processed, the answer lost"
    CUT = "processed, half an answer"
    GARBLED = "processed, a page instead of an answer"
    FORGED = "processed, the signature of something else"
    UNSIGNED = "processed, no signature"
    STALE = "an answer of before"
    OTHER_TRADE = "processed, the answer about a second trade of this number"


class FarSide:
    """Stands where the transport stands: takes signed posts, hands back bytes.

    now        the virtual clock
    passed     told before a call leaves, and after the far side has acted on it
    has_trade  whether the shop knows Alipay's number of this out_trade_no
    """

    def __init__(
        self,
        alipay: Alipay,
        *,
        now: Callable[[], datetime],
        passed: Callable[[str], None],
        has_trade: Callable[[str], bool],
    ) -> None:
        self.alipay = alipay
        self.breaks: list[Break] = []
        self._now, self._passed, self._has_trade = now, passed, has_trade
        self._meanwhile: dict[bool, Callable[[], None]] = {}
        self._answered: dict[tuple[str, str], bytes] = {}

    def send(self, post: Post, *, deadline_s: float) -> bytes:
        answer = self._answer(post)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def send_many(self, posts: Sequence[Post], *, deadline_s: float) -> list[bytes | NoAnswer]:
        return [self._answer(post) for post in posts]

    def is_down(self, url: str) -> bool:
        """Never given up: each break here is one call's."""
        return False

    def interrupt(self, act: Callable[[], None], *, acted: bool) -> None:
        """Have somebody act once, during the next call: before the far side acts on it, or after."""
        self._meanwhile[acted] = act

    def heal(self) -> None:
        """No fault is left over."""
        self.breaks = []
        self._meanwhile.clear()

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, post: Post) -> bytes | NoAnswer:
        self._passed("call leaves")
        broken = self.breaks.pop(0) if self.breaks else None
        if broken is Break.REFUSED:
            return NotSent("not sent: no connection")
        if broken in (Break.LOST, Break.ERROR):
            return NoAnswer(broken)
        params = dict(parse_qsl(f"{urlsplit(post.url).query}&{post.body}", keep_blank_values=True))
        before = self._answered.get((params["method"], params["biz_content"]))
        self._while_it_waits(acted=False)
        body = self.alipay.answer(params, self._now()).encode()
        self._answered[params["method"], params["biz_content"]] = body
        self._passed("Alipay has acted")
        self._while_it_waits(acted=True)
        return self._spoilt(body, broken, before)

    def _while_it_waits(self, *, acted: bool) -> None:
        act = self._meanwhile.pop(acted, None)
        if act is not None:
            act()

    def _spoilt(self, body: bytes, broken: Break | None, before: bytes | None) -> bytes | NoAnswer:
        match broken:
            case None:
                return body
            case Break.SWALLOWED:
                return NoAnswer("no answer in time")
            case Break.CUT:
                return body[: len(body) // 2]
            case Break.GARBLED:
                return "<html><body>系统繁忙</body></html>".encode()
            case Break.FORGED:
                return body.replace(b'"sign":"', b'"sign":"AAAA')
            case Break.UNSIGNED:
                return body.split(b',"sign"')[0] + b"}"
            case Break.OTHER_TRADE:
                return self._about_another(body)
            case _:
                return before or body

    def _about_another(self, body: bytes) -> bytes:
        """A genuine answer about another trade with this number; only where ours is known, or it would be believed."""
        node, fields = next(iter(json.loads(body).items()))
        if not fields.get("trade_no") or not self._has_trade(fields["out_trade_no"]):
            return body
        return written(node, {**fields, "trade_no": ANOTHER_TRADE}, self.alipay.identity, Style()).encode()
