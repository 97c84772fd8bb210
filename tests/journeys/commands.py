"""Runs manage.py commands in one process that stays: one JSON list of words in, one JSON object out, a line each."""

import contextlib
import io
import json
import os
import sys

import django
from django.core.management import call_command
from django.db import close_old_connections

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    django.setup()
    for line in sys.stdin:
        printed = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()):
            call_command(*json.loads(line), stdout=printed)
        close_old_connections()
        print(printed.getvalue().strip().replace("\n", " "), flush=True)
