"""The proofs run on production's settings: whatever differs is named, and nothing of a proof can reach production."""

import json
import os
import re
import subprocess
import sys

import pytest

from config.local.places import ROOT
from tests.config.test_settings import COMPLETE

SHOWN = """
import json
import django
django.setup()
from django.conf import settings
print(json.dumps({name: repr(getattr(settings, name)) for name in dir(settings) if name.isupper()}))
"""


def settings_of(module: str) -> dict[str, str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**clean, **COMPLETE, "SITE_URL": "https://127.0.0.1:8443", "ALLOWED_HOSTS": "127.0.0.1"}
    environment["DJANGO_SETTINGS_MODULE"] = module
    done = subprocess.run(
        [sys.executable, "-c", SHOWN], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.rows("X16")
def test_proofs_run_on_productions_settings_but_for_what_is_named():
    production, proof = settings_of("config.settings.production"), settings_of("config.settings.proof")

    differing = {name for name in proof.keys() | production.keys() if proof.get(name) != production.get(name)}

    assert differing - {"DIFFERENCES", "PUBLIC", "SETTINGS_MODULE"} == {"SITE_URL"}
    assert proof["DIFFERENCES"] == repr({"SITE_URL"})


@pytest.mark.rows("X16")
def test_no_room_of_the_shop_knows_a_switch_of_a_proof():
    rooms = [path for room in ("payments", "checkout") for path in (ROOT / room).rglob("*.py")]
    rooms += [path for path in (ROOT / "config").rglob("*.py") if "local" not in path.parts]

    switch = re.compile(r"simulation|config\.local|PROOF_|CRASH_|(?<!SET )search_path")
    guilty = [path.name for path in rooms if switch.search(path.read_text())]

    assert guilty == []
