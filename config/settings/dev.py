"""Settings of a developer's machine: beside `make demo`, or with DATABASE_URL and REDIS_URL of your own."""

import json
import os
from typing import Any

from config.settings.base import *  # noqa: F403
from config.settings.base import CONTENT_SECURITY_POLICY, ROOT, STORAGES, cache, database, env

if (ROOT / ".env").exists():
    env.read_env(str(ROOT / ".env"))

RUNNING_DEMO = ROOT / ".run" / "demo.json"
# What a running demo offers; every command uses it when DATABASE_URL is unset.
demo: dict[str, Any] = {}
if not env("DATABASE_URL", default="") and RUNNING_DEMO.exists() and os.access(RUNNING_DEMO, os.R_OK):
    demo = json.loads(RUNNING_DEMO.read_text())
NO_DATABASE = "postgres://nobody@/nothing?host=/start-make-demo-or-set-DATABASE_URL"

SHOW_STYLE_PAGE = True
SHOP_NAME = env("SHOP_NAME", default="山间茶铺")  # the sample shop
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default=demo.get("secret_key", "only-for-development-" + "x" * 32))
SEAL_KEYS = env("SEAL_KEYS", default=demo.get("seal_keys", "dev:" + "A" * 43 + "="))
AUDIT_SEAL_KEYS = env("AUDIT_SEAL_KEYS", default=demo.get("audit_seal_keys", "dev:" + "E" * 43 + "="))
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
SITE_URL = env("SITE_URL", default=demo.get("shop", "http://localhost:8000")).rstrip("/")
PASSKEY_DOMAIN = env("PASSKEY_DOMAIN", default="localhost")  # browsers take no IP address

DATABASE_URL = env("DATABASE_URL", default=demo.get("database_url", NO_DATABASE))
DATABASES = {
    "default": database(
        "DATABASE_URL", DATABASE_URL, pool=0 if DATABASE_URL == NO_DATABASE else env.int("DATABASE_POOL", default=8)
    ),
    "owner": database(
        "DATABASE_OWNER_URL", env("DATABASE_OWNER_URL", default=demo.get("database_owner_url", NO_DATABASE)), pool=0
    ),
}
REDIS_URL = env("REDIS_URL", default=demo.get("redis_url", "redis://127.0.0.1:6379/0"))
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://")  # Celery's own name for a socket
CACHES = {"default": cache(REDIS_URL)}

BILL_ORIGINS = env.list("BILL_ORIGINS", default=[demo["sandbox"]] if demo else [])  # commands fetch its bills too

# Static files are served from where they are written, unhashed and without a collecting step.
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = None
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}

# The simulated Alipay runs on this machine, on any port.
CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"] += ["http://127.0.0.1:*", "http://localhost:*"]
EMAIL_BACKEND = env("EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend")
