"""Settings every place shares. What differs by place is read from the environment; `.env.example` explains each name."""

from pathlib import Path

import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config.logs import configure_logging
from config.settings.reading import Environment, address, check_clocks, log_level

django_stubs_ext.monkeypatch()  # lets Django's classes carry type arguments at run time
ROOT = Path(__file__).resolve().parent.parent.parent
env = Environment()

# --- what this installation is ----------------------------------------------------------------------------------
SITE_URL = env("SITE_URL", default="http://localhost:8000").rstrip(
    "/"
)  # links, notify_url, return_url: never a request's Host
SHOP_NAME = env("SHOP_NAME", default="结账 Jiezhang")
SHOP_CONTACT = env("SHOP_CONTACT", default="")
SHOP_WHAT_NEXT = env("SHOP_WHAT_NEXT", default="")
SHOP_DELIVERY_FEN = env.int("SHOP_DELIVERY_FEN", default=0)
SHOP_DELIVERY_FREE_FROM_FEN = env.int("SHOP_DELIVERY_FREE_FROM_FEN", default=0)
# The host name passkeys belong to, where it is not that of SITE_URL: the domain named also serves its subdomains.
PASSKEY_DOMAIN = env("PASSKEY_DOMAIN", default="")
MAINTENANCE_UNTIL = env("MAINTENANCE_UNTIL", default="")  # "15:00": every page says so meanwhile
SHOW_STYLE_PAGE = env.bool("SHOW_STYLE_PAGE", default=False)
# Receipts as PDF need a font with Chinese letters; these places are looked at where no other is named.
RECEIPT_FONT = env("RECEIPT_FONT", default="")
RECEIPT_FONTS_TRIED = [
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
]
# Behind a proxy: where it writes the shopper's address, as Django's META names it: HTTP_X_REAL_IP. Tries are counted by it.
CLIENT_ADDRESS_HEADER = env("CLIENT_ADDRESS_HEADER", default="")

# --- rooms ------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "payments.apps.StaffPagesConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "payments",
    "checkout",
]
MIDDLEWARE = [
    "config.middleware.answer_alipay_first",
    "config.middleware.log_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.close_for_maintenance",
    "config.middleware.answer_programs",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.slow_down_guessing",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.shop",
                "checkout.views.doors.basket",
            ],
        },
    }
]
AUTH_USER_MODEL = "payments.User"
SILENCED_SYSTEM_CHECKS = ["models.W045"]  # constraints in SQL (payments/models/checks.py) are the database's to judge
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- PostgreSQL: two roles on one database ----------------------------------------------------------------------
# `default` is the role of web, worker and beat: no DDL, and no UPDATE or DELETE on append-only tables.
# `owner` only migrates. server_side_binding and prepare_threshold make the notice's one statement a prepared one;
# behind PgBouncer in transaction mode set DATABASE_PREPARE=0.
DATABASE_POOL = env.int("DATABASE_POOL", default=16)
DATABASE_PREPARE = env.int("DATABASE_PREPARE", default=3)


def database(name: str, url: str, *, pool: int) -> dict[str, object]:
    """A DATABASES entry: pooled, prepared, and never waiting for ever.

    name  of the setting that holds the address
    pool  the most connections one process holds; 0 opens one per thread
    """
    address(name, url, schemes=("postgres", "postgresql"))
    options: dict[str, object] = {
        "server_side_binding": True,
        "prepare_threshold": DATABASE_PREPARE or None,
        "options": "-c statement_timeout=15s -c lock_timeout=3s -c idle_in_transaction_session_timeout=30s",
        "connect_timeout": 3,
    }
    if pool:
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": 3}
    entry: dict[str, object] = env.db_url_config(url)
    given = entry.get("OPTIONS")
    return {**entry, "OPTIONS": {**options, **(given if isinstance(given, dict) else {})}, "CONN_MAX_AGE": 0}


# --- Valkey or Redis: broker and cache. Losing it loses no work: what is due stands in columns --------------------
def cache(url: str) -> dict[str, object]:
    """The cache there; one that does not answer holds nobody up for long, and nothing that matters lies in it."""
    waits = {"socket_connect_timeout": 0.2, "socket_timeout": 1}
    return {"BACKEND": "config.cache.OneTripCache", "LOCATION": url, "OPTIONS": waits}


CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 0.2,
    "socket_timeout": 5,
    "ack_emulation": False,  # giving back unread messages to a broker that went ends the worker; they only wake sweeps
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "money"
CELERY_TASK_ROUTES = {
    "payments.tasks.relay_outbox_messages": {"queue": "mail"},
    "payments.tasks.seal_audit": {"queue": "books"},
    "payments.tasks.check_books_nightly": {"queue": "books"},
    "payments.tasks.tend_books": {"queue": "books"},
    "payments.tasks.escalate_overdue_cases": {"queue": "books"},
}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# a message only wakes a sweep: a lost one costs seconds, and a late word to a broker that went ends the worker
CELERY_TASK_ACKS_LATE = False
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker may be away for days

# --- words and clocks -------------------------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [ROOT / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

# --- files ------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = env.path("STATIC_ROOT", default=str(ROOT / "staticfiles"))()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- doors ------------------------------------------------------------------------------------------------------
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 300
SECURE_REFERRER_POLICY = ("no-referrer", "same-origin")  # the last one that a browser knows holds
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "payments.views.problems.form_too_old"
LOGIN_URL = "checkout:sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
        ("UserAttributeSimilarityValidator", {"user_attributes": ["email"]}),
    )
]
MEDIA_URL = "/media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(ROOT / "media"))()
# Pressing "pay" posts to us and is answered with a redirect to Alipay, which browsers count as a form's target.
ALIPAY_ORIGINS = env.list(
    "ALIPAY_ORIGINS",
    default=["https://openapi.alipay.com", "https://openapi-sandbox.dl.alipaydev.com", "https://*.alipay.com"],
)
CONTENT_SECURITY_POLICY: dict[str, dict[str, list[str]]] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF, *ALIPAY_ORIGINS],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# --- the API: docs/api.md -----------------------------------------------------------------------------------------
API_MOST_PER_KEY = env.int("API_MOST_PER_KEY", default=600)  # requests a minute
API_MOST_PER_ADDRESS = env.int("API_MOST_PER_ADDRESS", default=1200)
API_MOST_HELD = env.int("API_MOST_HELD", default=200)  # unpaid orders of one program that hold goods
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "payments.api.schema.Described",
    "EXCEPTION_HANDLER": "payments.api.problems.answer",
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Jiezhang API",
    "DESCRIPTION": "Orders, payments and refunds of this checkout. Amounts are whole fen, currency CNY.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "payments.api.schema.with_problems"],
    "AUTHENTICATION_WHITELIST": ["payments.api.callers.ByKey", "payments.api.callers.ByStaffSession"],
    "SERVERS": [{"url": SITE_URL}],
    "ENUM_NAME_OVERRIDES": {
        "OrderState": "payments.models.Order.State",
        "PaymentState": "payments.models.Transaction.State",
        "RefundState": "payments.models.Refund.State",
        "CaseState": "payments.models.Case.State",
        "Scene": "payments.models.Transaction.Scene",
        "SceneToStart": "payments.api.payments.SCENES",
        "LedgerAccount": "payments.models.Account",
    },
}
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="shop@example.com")

# --- money: clocks and ladders, in seconds ------------------------------------------------------------------------
# docs/decisions/0005 says why schedules are columns. Tests and `make smoke` shorten these; nothing else differs.
PAYMENTS = {
    "order_life_s": env.int("PAYMENTS_ORDER_LIFE_S", default=15 * 60),
    "extension_s": env.int("PAYMENTS_EXTENSION_S", default=10 * 60),
    "extensions": env.int("PAYMENTS_EXTENSIONS", default=10),
    "extension_offer_s": env.int("PAYMENTS_EXTENSION_OFFER_S", default=120),
    "grace_s": env.int("PAYMENTS_GRACE_S", default=120),
    "least_life_s": env.int("PAYMENTS_LEAST_LIFE_S", default=120),
    "wap_least_life_s": env.int("PAYMENTS_WAP_LEAST_LIFE_S", default=5 * 60),
    "qr_life_s": env.int("PAYMENTS_QR_LIFE_S", default=2 * 60 * 60),
    # at the counter: how long a buyer may take to confirm before we cancel, and when Alipay ends the trade by itself
    "counter_patience_s": env.int("PAYMENTS_COUNTER_PATIENCE_S", default=60),
    "counter_life_s": env.int("PAYMENTS_COUNTER_LIFE_S", default=90),
    "ask_again_s": env.int("PAYMENTS_ASK_AGAIN_S", default=3),
    "watch_s": env.int("PAYMENTS_WATCH_S", default=5),
    "ladder_s": env.list("PAYMENTS_LADDER_S", cast=int, default=[60, 120, 300, 900, 3600]),
    # after closing an attempt of which Alipay knew no trade: that may have been an old answer, and no notice need come
    "look_back_s": env.list("PAYMENTS_LOOK_BACK_S", cast=int, default=[5 * 60, 60 * 60, 6 * 60 * 60]),
    "doubt_s": env.int("PAYMENTS_DOUBT_S", default=60 * 60),
    # one rung more each time a refund is looked at; the first is what Alipay asks for before a query means anything
    "refund_ladder_s": env.list("PAYMENTS_REFUND_LADDER_S", cast=int, default=[10, 20, 60, 120, 300, 600]),
    "refund_absent_s": env.int("PAYMENTS_REFUND_ABSENT_S", default=10),
    "refunds_apart_s": env.float("PAYMENTS_REFUNDS_APART_S", default=4.0),  # Alipay wants 3; one more for the way there
    # what a member of staff may refund without a second person: at once, and on one day; and how long a request waits
    "refund_alone_fen": env.int("PAYMENTS_REFUND_ALONE_FEN", default=200_00),
    "refund_alone_day_fen": env.int("PAYMENTS_REFUND_ALONE_DAY_FEN", default=1000_00),
    "refund_request_life_s": env.int("PAYMENTS_REFUND_REQUEST_LIFE_S", default=7 * 24 * 60 * 60),
    # a late or second payment up to this much goes back by itself; above it, or with 0 always, a person decides
    "refund_by_robot_fen": env.int("PAYMENTS_REFUND_BY_ROBOT_FEN", default=5_000_00),
    "call_deadline_s": env.float("PAYMENTS_CALL_DEADLINE_S", default=15.0),
    "page_deadline_s": env.float("PAYMENTS_PAGE_DEADLINE_S", default=6.0),
    "batch_connections": env.int("PAYMENTS_BATCH_CONNECTIONS", default=50),
    "breaker_failures": env.int("PAYMENTS_BREAKER_FAILURES", default=10),
    "breaker_pause_s": env.float("PAYMENTS_BREAKER_PAUSE_S", default=10.0),
    "bill_deadline_s": env.float("PAYMENTS_BILL_DEADLINE_S", default=300.0),
    # bills are asked for from ten in Shanghai, every hour; an alarm at six in the evening; and after how many days no bill and
    # no business of ours count as an empty day
    "bill_ready_s": env.int("PAYMENTS_BILL_READY_S", default=10 * 60 * 60),
    "bill_again_s": env.int("PAYMENTS_BILL_AGAIN_S", default=60 * 60),
    "bill_alarm_s": env.int("PAYMENTS_BILL_ALARM_S", default=18 * 60 * 60),
    "bill_give_up_days": env.int("PAYMENTS_BILL_GIVE_UP_DAYS", default=3),
    # so near to midnight a payment may stand in the neighbour's bill; and how long it waits for that one
    "bill_midnight_s": env.int("PAYMENTS_BILL_MIDNIGHT_S", default=10 * 60),
    "bill_wait_s": env.int("PAYMENTS_BILL_WAIT_S", default=3 * 24 * 60 * 60),
    # what Alipay takes of each payment, as a part of it ("0.006"); empty: fees are booked and not looked at
    "fee_rate": env("PAYMENTS_FEE_RATE", default=""),
    "precreate_product_code": env("PAYMENTS_PRECREATE_PRODUCT_CODE", default=""),
}
check_clocks(PAYMENTS, prefix="PAYMENTS_")
# Bills are fetched by https from exactly these hosts; and from a pretend Alipay's whole address, which production refuses.
BILL_HOSTS = env.list("BILL_HOSTS", default=["dwbillcenter.alipay.com"])
BILL_KINDS = env.list("BILL_KINDS", default=["trade", "signcustomer"])  # those a day needs before it is compared
BILL_ORIGINS = env.list("BILL_ORIGINS", default=[])
# Webhooks go by https to public addresses only; to these hosts as they stand, which production refuses.
WEBHOOK_PRIVATE_HOSTS = env.list("WEBHOOK_PRIVATE_HOSTS", default=[])
# Who hears what happened to an order: outbox topic -> functions taking the message's payload. Upward calls stay names.
OUTBOX_HANDLERS = {
    "order.paid": [
        "checkout.services.stock.take",
        "checkout.services.carts.empty_after_payment",
        "checkout.mails.send_receipt",
        "payments.services.announce.hear",
    ],
    "order.closed": [
        "checkout.services.stock.release",
        "checkout.services.carts.keep_after_closing",
        "checkout.mails.send_unpaid",
        "payments.services.announce.hear",
    ],
    "order.placed": ["checkout.mails.send_awaiting"],
    "order.sent": ["checkout.mails.send_on_its_way"],
    "attempt.refused": ["checkout.services.place_purchase.remind_now"],
    "attempt.in_doubt": ["checkout.mails.send_doubt", "payments.services.announce.hear"],
    "goods.back": ["checkout.mails.send_back_in_stock"],
    "account.ticket": ["checkout.mails.send_ticket"],
    "person.changed": ["checkout.mails.send_person_changed"],
    "cancel.unclear": ["payments.services.cancel_charge.make_certain"],
    "return.heard": ["payments.services.receive_return.ask_about_ended"],
    "refund.requested": ["checkout.mails.send_refund_news", "payments.services.announce.hear"],
    "refund.approved": ["checkout.mails.send_refund_news", "payments.services.announce.hear"],
    "refund.rejected": ["checkout.mails.send_refund_news", "payments.services.announce.hear"],
    "refund.succeeded": ["checkout.mails.send_refund_news", "payments.services.announce.hear"],
    "refund.failed": ["payments.services.announce.hear"],
    "refund.heard": ["payments.services.external_refund.discover"],
    "money.surplus": ["payments.services.surplus.handle", "payments.services.announce.hear"],
    "surplus.refunding": ["checkout.mails.send_extra"],
}
# Asked, under the order's lock, whether a closed order's goods are to be had again at the same price; empty: never.
HONOUR_LATE = "checkout.services.stock.retake"
# What `manage.py check_invariants` looks at: dicts of queries by invariant.
INVARIANTS = [
    "payments.queries.rules.orders.RULES",
    "payments.queries.rules.refunds.RULES",
    "payments.queries.rules.ledger.RULES",
    "payments.queries.rules.trail.RULES",
    "payments.queries.rules.messages.RULES",
    "payments.queries.rules.bills.RULES",
    "payments.queries.rules.batches.RULES",
    "checkout.queries.invariants.RULES",
]
# Tables whose rows tell about an order, by an indexed order_id: a shorter run looks at the orders of rows written since.
INVARIANTS_OF_ORDERS = ["checkout_delivery", "checkout_stockhold"]

LOGGING_CONFIG = None
configure_logging(
    json_lines=env("LOG_FORMAT", default="json") == "json",
    level=log_level("LOG_LEVEL", env("LOG_LEVEL", default="INFO")),
)
