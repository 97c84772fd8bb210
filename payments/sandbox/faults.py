"""What can go wrong on the way to Alipay and back, switched on by an operator or a test.

Each fault happens a number of times, or at a probability drawn from its own seeded source: the same seed and the same
calls make the same run.
"""

import random
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """One way the gateway or its notices misbehave."""

    # gateway requests, before anything is done
    DELAY = "delay"  # answered late: `seconds`
    LOSE = "lose"  # held for `seconds` and never processed
    HTTP_500 = "http_500"  # an error page with status 500, unprocessed
    RATE_LIMIT = "rate_limit"  # isv.app-call-limited, unprocessed
    POOR_SELLER = "poor_seller"  # a refund finds too little money in the merchant's account
    # after all is done
    SWALLOW = "swallow"  # processed, then held for `seconds` and never answered
    ERROR_AFTER = "error_after"  # processed, and answered with SYSTEM_ERROR
    HTML = "html"  # processed, and answered with a page
    CUT = "cut"  # processed, and half of the JSON is sent
    DRIP = "drip"  # processed, and sent byte by byte, `seconds` apart
    UNSIGNED = "unsigned"  # processed, and the answer carries no signature
    BAD_ANSWER_SIGNATURE = "bad_answer_signature"
    WRONG_ANSWER_AMOUNT = "wrong_answer_amount"  # one fen more than is true, validly signed
    STALE = "stale"  # a query is answered from before the last change
    # notices
    MUTE = "mute"  # kept back while it is on
    NOTICE_LATE = "notice_late"  # sent `seconds` later
    NOTICE_LOST = "notice_lost"  # counted as sent, never arrives
    NOTICE_TWICE = "notice_twice"  # arrives twice at the same moment
    NOTICE_SWAPPED = "notice_swapped"  # arrives after the one that arose next
    WRONG_AMOUNT = "wrong_amount"  # one fen more than is true, validly signed
    WRONG_SELLER = "wrong_seller"  # another merchant's number, validly signed
    BAD_SIGNATURE = "bad_signature"


@dataclass(slots=True)
class Setting:
    """How one fault is set. `times` are left; or `chance` each time, between 0 and 1.

    method   only calls of this method, where one is given
    seconds  how long, for faults that last
    """

    times: int = 0
    chance: float = 0.0
    method: str = ""
    seconds: float | None = None


@dataclass(slots=True)
class Faults:
    """All faults that are set. seed None draws from anywhere."""

    seed: int | None = None
    settings: dict[Fault, Setting] = field(default_factory=dict)
    struck: dict[Fault, int] = field(default_factory=dict)  # how often each happened
    _sources: dict[Fault, random.Random] = field(default_factory=dict)

    def set(self, fault: Fault, setting: Setting) -> None:
        self.settings[fault] = setting

    def clear(self) -> None:
        self.settings.clear()

    def reseed(self, seed: int) -> None:
        """Draw from the beginning of this seed's row."""
        self.seed = seed
        self._sources.clear()

    def is_on(self, fault: Fault) -> bool:
        setting = self.settings.get(fault)
        return setting is not None and (setting.times > 0 or setting.chance > 0)

    def seconds(self, fault: Fault, default: float) -> float:
        setting = self.settings.get(fault)
        return default if setting is None or setting.seconds is None else setting.seconds

    def strikes(self, fault: Fault, method: str = "") -> bool:
        """Whether it happens now, to a call of this method; uses it up once."""
        setting = self.settings.get(fault)
        if setting is None or (setting.method and setting.method != method) or not self._drawn(fault, setting):
            return False
        self.struck[fault] = self.struck.get(fault, 0) + 1
        return True

    def _drawn(self, fault: Fault, setting: Setting) -> bool:
        if setting.times > 0:
            setting.times -= 1
            return True
        if setting.chance <= 0:
            return False
        source = self._sources.get(fault)
        if source is None:  # one source a fault: how often another is asked changes nothing
            source = self._sources[fault] = random.Random(None if self.seed is None else f"{self.seed}:{fault}")  # noqa: S311
        return source.random() < setting.chance
