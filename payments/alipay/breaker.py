"""A breaker per gateway: when Alipay can't be reached, the next call says so at once instead of waiting for it."""

import threading
from datetime import UTC, datetime, timedelta

from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitMemoryStorage


class Breaker:
    """Opens after some failures in a row; then lets one call through each pause, and closes when that one succeeds.

    failures  in a row that open it
    pause_s   between two trials while it is open

    Asked before a call and told after it, so that no lock is held while a call is under way. Safe to use from threads.
    """

    def __init__(self, *, failures: int, pause_s: float) -> None:
        self._kept = CircuitMemoryStorage(STATE_CLOSED)
        self._circuit = CircuitBreaker(fail_max=failures, reset_timeout=pause_s, state_storage=self._kept)
        self._pause = timedelta(seconds=pause_s)
        self._next_trial = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        return self._circuit.current_state != STATE_CLOSED

    def admits(self) -> bool:
        """Whether a call may leave now. While it is open, True for one caller a pause: the trial."""
        with self._lock:
            if not self.is_open():
                return True
            now, opened_at = datetime.now(UTC), self._kept.opened_at
            if now < max(self._next_trial, (opened_at or now) + self._pause):
                return False
            self._next_trial = now + self._pause
            return True

    def note(self, *, succeeded: bool) -> None:
        """What became of a call that was let through."""
        try:
            self._circuit.call(_nothing if succeeded else _failure)
        except (CircuitBreakerError, _Failed):  # it opened just now, or it is open and this call left before
            return


class _Failed(Exception): ...


def _failure() -> None:
    raise _Failed


def _nothing() -> None: ...
