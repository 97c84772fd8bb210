"""The loop of a racing process: reads a line, waits for its moment, acts, answers with a line."""

import json
import sys
import time
from collections.abc import Callable

from django.db import DatabaseError, close_old_connections, connection

from payments.errors import PaymentsError


def answer_lines(acts: dict[str, Callable[..., object]]) -> None:
    """Answer until nobody asks any more. A rule's no is "refused"; what the database refuses is told with its words.

    A line names an act and its arguments; `at`, by the machine's monotonic clock, is when to start.
    """
    for line in sys.stdin:
        words = json.loads(line)
        close_old_connections()
        connection.ensure_connection()
        time.sleep(max(0.0, words.pop("at", 0.0) - time.monotonic()))
        print(json.dumps(_outcome(acts[words.pop("act")], words)), flush=True)


def _outcome(act: Callable[..., object], words: dict[str, object]) -> object:
    try:
        return act(**words)
    except PaymentsError:
        return "refused"
    except DatabaseError as error:
        return f"database: {error}"[:300]
