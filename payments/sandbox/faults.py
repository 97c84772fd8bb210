"""What can go wrong on the way to Alipay and back, switched on by an operator or a test."""

from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """One way the gateway or its notices misbehave."""

    MUTE = "mute"  # notices are kept back
    LOSE = "lose"  # a gateway request is held and never processed
    SWALLOW = "swallow"  # a gateway request is processed, and its answer never sent
    HTTP_500 = "http_500"  # a gateway request meets an error page, unprocessed


@dataclass(slots=True)
class Faults:
    """How many times each fault still happens; mute is on or off."""

    left: dict[Fault, int] = field(default_factory=dict)

    def set(self, fault: Fault, times: int) -> None:
        self.left[fault] = times

    def is_on(self, fault: Fault) -> bool:
        return self.left.get(fault, 0) > 0

    def strikes(self, fault: Fault) -> bool:
        """Whether it happens now; uses it up once."""
        if not self.is_on(fault):
            return False
        self.left[fault] -= 1
        return True
