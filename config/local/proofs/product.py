"""The product of a proof: web, worker, beat and the pretend Alipay as production runs them, on durable servers."""

import contextlib
import os
import secrets
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from config.local.places import ROOT
from config.local.servers import Servers, servers
from config.local.smoke import CLOCKS
from config.local.stack import Stack, free_port, stack

MORE = {
    "PAYMENTS_REFUND_LADDER_S": "2,3,5,5,10", "PAYMENTS_REFUND_ABSENT_S": "2", "DATABASE_POOL": "8", "LOG_LEVEL": "ERROR",
    "LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "config.settings.proof", "SECURE_SSL_REDIRECT": "false",
    "BEHIND_TLS_PROXY": "true", "ALLOWED_HOSTS": "127.0.0.1,localhost",
}  # fmt: skip


@contextlib.contextmanager
def product(data: Path, **environment: str) -> Iterator[tuple[Stack, Servers]]:
    """Everything running and healthy on this folder, with its servers; stopped at the end."""
    shop_port = free_port()
    more = {
        **CLOCKS, **MORE, **production_secrets(), "STATIC_ROOT": str(data / "static"), "MEDIA_ROOT": str(data / "media"),
        "SITE_URL": f"https://127.0.0.1:{shop_port}", "BILL_ORIGINS": "", "WEBHOOK_PRIVATE_HOSTS": "", **environment,
    }  # fmt: skip
    with servers(data, durable=True) as running:
        _collect_static({**os.environ, **running.environment(), **more})
        ports = {"shop_port": shop_port, "sandbox_port": free_port()}
        with stack(running, data, **ports, more=more, echo=False) as processes:
            yield processes, running


def _collect_static(environment: dict[str, str]) -> None:
    """Production's pages name their files as they were collected, and come to nothing without them."""
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
        env=environment,
        cwd=ROOT,
        check=True,
    )


def production_secrets() -> dict[str, str]:
    """What production refuses to start without, made for this run."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(48), "SEAL_KEYS": f"c:{b64encode(secrets.token_bytes(32)).decode()}",
        "AUDIT_SEAL_KEYS": f"c:{b64encode(secrets.token_bytes(32)).decode()}",
    }  # fmt: skip
