"""A breaker per gateway: when Alipay can't be reached, the next call says so at once instead of waiting for it."""

import threading
import time
from contextlib import suppress

from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError


class Breaker:
    """Opens after some failures in a row; then lets one call through each pause, and closes when that one succeeds.

    failures  in a row that open it
    pause_s   between two trials while it is open

    Asked before a call and told after it, so that no lock is held while a call is under way. Safe to use from threads.
    """

    def __init__(self, *, failures: int, pause_s: float) -> None:
        self._circuit = CircuitBreaker(fail_max=failures, reset_timeout=0)  # when to try again is decided here
        self._pause_s, self._next_trial = pause_s, 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        return self._circuit.current_state != STATE_CLOSED

    def admits(self) -> bool:
        """Whether a call may leave now. While it is open, True for one caller a pause: the trial."""
        with self._lock:
            if not self.is_open():
                return True
            if time.monotonic() < self._next_trial:
                return False
            self._next_trial = time.monotonic() + self._pause_s
            return True

    def note(self, *, succeeded: bool) -> None:
        """What became of a call that was let through. A success closes it, also one of a call that left before it opened."""
        with suppress(CircuitBreakerError, _Failed):
            self._circuit.call(_nothing if succeeded else _failure)
        if not succeeded and self.is_open():
            self._next_trial = time.monotonic() + self._pause_s


class _Failed(Exception): ...


def _failure() -> None:
    raise _Failed


def _nothing() -> None: ...
