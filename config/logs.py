"""One log line per event, as JSON or for eyes, with secrets and personal values taken out before anything is written."""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog

HIDDEN = "[hidden]"
# Names whose values never reach a log, wherever they stand.
HIDDEN_NAMES = frozenset({
    "app_private_key", "auth_code", "authorization", "bill_download_url", "body", "buyer_logon_id", "contact_email",
    "cookie", "csrfmiddlewaretoken", "password", "private_key", "qr_code", "secret_key", "seal_keys", "sessionid",
    "sign", "token",
})  # fmt: skip
# Shapes that are hidden inside longer texts, such as messages of exceptions.
HIDDEN_SHAPES = [
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL),
    re.compile(r"MII[A-Za-z0-9+/=\s]{80,}"),  # a bare key or certificate
    re.compile(r"(?<=\bsign=)[^&\s\"']+"),
    re.compile(r"(?<=\bbiz_content=)[^&\s\"']+"),
    re.compile(r"https?://[^\s\"']*downloadBillFile[^\s\"']*"),
    re.compile(r"(?<=/pay/)[A-Za-z0-9_-]{20,}"),  # an order's token
    re.compile(r"(?<=://)[^/\s:@]+:[^@\s/]+(?=@)"),  # user and password of an address
    re.compile(r"(?<!\d)(?:2[5-9]|30)\d{14,22}(?!\d)"),  # a buyer's payment code
    re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"),
    re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)"),  # a mobile number
]


def hide(value: Any) -> Any:
    """The same value with every hidden name and shape replaced; texts, mappings and sequences are walked."""
    if isinstance(value, str):
        for shape in HIDDEN_SHAPES:
            value = shape.sub(HIDDEN, value)
        return value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {key: HIDDEN if str(key).lower() in HIDDEN_NAMES else hide(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [hide(inner) for inner in value]
    if value is None or isinstance(value, int | float | bool):
        return value
    return hide(str(value))


def hide_secrets(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last processor before rendering: nothing added later could bring a secret back."""
    return {
        key: inner if key.startswith("_") else HIDDEN if key.lower() in HIDDEN_NAMES else hide(inner)
        for key, inner in event.items()
    }


def configure_logging(*, json_lines: bool, level: str) -> None:
    """Send structlog and the standard library's loggers through one formatter to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, hide_secrets, renderer],
    }
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"level": "WARNING", "propagate": True},
            "django.request": {"level": "ERROR", "propagate": True},
            "celery.app.trace": {"level": "WARNING", "propagate": True},
            "celery.worker.strategy": {"level": "WARNING", "propagate": True},
            "celery.beat": {"level": "WARNING", "propagate": True},
        },
    })  # fmt: skip
