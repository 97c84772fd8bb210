"""One `manage.py reconcile` of `make reconcile-proof`: killed by itself before a chosen statement, or counted to its end.

`python -m config.local.proofs.reconciler STATEMENT OPTIONS...`: 0 lets it live. The last line says how many statements it took.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402  # after the registry is filled
from django.core.management.base import CommandError  # noqa: E402
from django.db import connection  # noqa: E402


def main(dies_at: int, words: list[str]) -> int:
    """The command's own exit code."""
    statements = 0

    def counted(execute: Callable[..., Any], *about: Any) -> Any:
        nonlocal statements
        statements += 1
        if statements == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*about)

    with connection.execute_wrapper(counted):
        try:
            call_command("reconcile", *words)
            code = 0
        except CommandError as error:
            print(error)
            code = error.returncode
    print(f"\n{statements}")
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
