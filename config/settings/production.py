"""Settings of a shop that takes money. Refuses to start while a secret is missing, and names it."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *  # noqa: F403
from config.settings.base import BILL_ORIGINS, DATABASE_POOL, WEBHOOK_PRIVATE_HOSTS, cache, database, env
from config.settings.reading import address

if BILL_ORIGINS:
    raise ImproperlyConfigured("BILL_ORIGINS is for a pretend Alipay: real bills come by https from BILL_HOSTS.")
if WEBHOOK_PRIVATE_HOSTS:
    raise ImproperlyConfigured("WEBHOOK_PRIVATE_HOSTS is for trying webhooks out on one machine.")

DEBUG = False
SECRET_KEY = env.required(
    "SECRET_KEY", least=50, hint="a random text of 50 characters or more; it signs cookies and forms."
)
SEAL_KEYS = env.required(
    "SEAL_KEYS", hint="id:key pairs that seal secrets in the database; `manage.py new_seal_key` makes one."
)
AUDIT_SEAL_KEYS = env.required(
    "AUDIT_SEAL_KEYS",
    hint="id:key pairs that seal the audit trail; `manage.py new_seal_key` makes one, not SEAL_KEYS' own.",
)
SITE_URL = env.required("SITE_URL", hint="the public https address of the shop, as Alipay and buyers reach it.").rstrip(
    "/"
)
address("SITE_URL", SITE_URL, schemes=["https"])  # Alipay's notices and buyers must not travel in clear
ALLOWED_HOSTS = env.required("ALLOWED_HOSTS", hint="the host names this shop answers to, separated by commas.").split(
    ","
)
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS holds *: name the hosts, or anyone may give the shop a name.")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[SITE_URL])

DATABASE_URL = env.required(
    "DATABASE_URL", hint="postgres://app-role:password@host/name, the role that only reads and writes."
)
DATABASES = {
    "default": database("DATABASE_URL", DATABASE_URL, pool=DATABASE_POOL),
    "owner": database("DATABASE_OWNER_URL", env("DATABASE_OWNER_URL", default=DATABASE_URL), pool=0),
}
REDIS_URL = env.required("REDIS_URL", hint="redis://:password@host:6379/0, broker and cache.")
address("REDIS_URL", REDIS_URL, schemes=("redis", "rediss", "unix"))
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://")  # Celery's own name for a socket
CACHES = {"default": cache(REDIS_URL)}

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=365 * 24 * 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

try:
    EMAIL_CONFIG = env.email_url("EMAIL_URL", default="smtp://localhost:25")
except ImproperlyConfigured:
    raise ImproperlyConfigured("EMAIL_URL is no address such as smtp+tls://user:password@host:587") from None
vars().update(EMAIL_CONFIG)
