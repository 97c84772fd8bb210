"""`make test`: real servers for the length of the suite, then pytest."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from config.local.places import ROOT, RUN, scratch_folder
from config.local.servers import servers

TEMPLATE = "jiezhang_template"
RESULTS = RUN / "test-results.xml"  # of the last whole run, for `make matrix`


@contextlib.contextmanager
def template() -> Iterator[dict[str, str]]:
    """Real servers with a migrated database that every test process copies; the environment that names them."""
    with scratch_folder() as scratch, servers(scratch, durable=False) as running:
        made = replace(running, database=TEMPLATE)
        environment = {
            **os.environ, **made.environment(), "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_POOL": "0", "TEST_SOCKETS": str(running.sockets), "TEST_DATA": str(scratch),
        }  # fmt: skip
        made.make_database()
        manage = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True)  # once; every test process gets a copy
        yield environment


def test(words: list[str]) -> int:
    """Run the suite, or what the words name. Further words go to pytest."""
    if not words:
        RESULTS.unlink(missing_ok=True)
    with template() as environment:
        parallel = [] if any(word.startswith("-n") for word in words) else ["-n", "2"]
        kept = [] if words else [f"--junitxml={RESULTS}"]
        pytest = [sys.executable, "-m", "pytest", *parallel, *kept, *words]
        return subprocess.run(pytest, cwd=ROOT, env=environment, check=False).returncode
