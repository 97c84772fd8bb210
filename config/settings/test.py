"""Settings of the test suite: the developer's, on the servers that `make test` started, with unhashed static files."""

from config.settings.dev import *  # noqa: F403
from config.settings.dev import PAYMENTS

SECRET_KEY = "only-for-tests-" + "x" * 40
SEAL_KEYS = "t2:" + "B" * 43 + "=,t1:" + "A" * 43 + "="
AUDIT_SEAL_KEYS = "a2:" + "I" * 43 + "=,a1:" + "E" * 43 + "="
SITE_URL = "https://shop.example"
PASSKEY_DOMAIN = ""
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {"BACKEND": "config.cache.CountingMemory"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PAYMENTS = {**PAYMENTS, "call_deadline_s": 2.0, "page_deadline_s": 2.0, "breaker_pause_s": 0.05}
