"""`make test`: real servers for the length of the suite, then pytest."""

import os
import subprocess
import sys
from dataclasses import replace

from config.local.places import ROOT, RUN, scratch_folder
from config.local.servers import servers

TEMPLATE = "jiezhang_template"
RESULTS = RUN / "test-results.xml"  # of the last whole run, for `make matrix`


def test(words: list[str]) -> int:
    """Run the suite, or what the words name. Further words go to pytest."""
    if not words:
        RESULTS.unlink(missing_ok=True)
    with scratch_folder() as scratch, servers(scratch, durable=False) as running:
        template = replace(running, database=TEMPLATE)
        environment = {
            **os.environ, **template.environment(), "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_POOL": "0", "TEST_SOCKETS": str(running.sockets), "TEST_DATA": str(scratch),
        }  # fmt: skip
        template.make_database()
        manage = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True)  # once; every test process gets a copy
        parallel = [] if any(word.startswith("-n") for word in words) else ["-n", "2"]
        kept = [] if words else [f"--junitxml={RESULTS}"]
        pytest = [sys.executable, "-m", "pytest", *parallel, *kept, *words]
        return subprocess.run(pytest, cwd=ROOT, env=environment, check=False).returncode
