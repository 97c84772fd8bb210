#!/usr/bin/env python
"""Django's command line for this project: `manage.py help` lists what operators run."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    os.environ.setdefault(
        "DATABASE_POOL", "0"
    )  # one connection serves a command, and its end waits for no pool's threads
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
