"""How long questions rest after Alipay said that we ask too often."""

import random
import threading
import time
from collections.abc import Callable

FIRST_S, LONGEST_S = 5.0, 60.0


class Pace:
    """Rests for a while that doubles each time Alipay says so again, with jitter; over with the first full round of answers.

    clock   seconds that only grow
    chance  a number from 0 to 1: many processes must not come back at one moment
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._clock, self._chance = clock, chance
        self._times, self._until = 0, 0.0
        self._lock = threading.Lock()

    def may_ask(self) -> bool:
        return self._clock() >= self._until

    def heard(self, *, limited: bool) -> None:
        """Note one round of answers, and whether any of them said that we ask too often."""
        with self._lock:
            self._times = self._times + 1 if limited else 0
            if limited:
                rest = min(LONGEST_S, FIRST_S * 2 ** (self._times - 1))
                self._until = self._clock() + rest * (0.5 + self._chance() / 2)
