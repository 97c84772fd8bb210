"""Is the process alive, and could it serve: for supervisors and load balancers. Says no more than that."""

import structlog
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

logger = structlog.get_logger(__name__)


@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Alive. Touches nothing, so that a database's trouble does not get this process killed."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
def readyz(_request: HttpRequest) -> HttpResponse:
    """Able to serve: the database answers. A broker or cache that is down only degrades, for no money depends on it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM payments_merchantaccount LIMIT 1")
    except DatabaseError:
        logger.exception("not_ready")
        return HttpResponse("not ready", status=503, content_type="text/plain")
    try:
        cache.get("readyz")
    except Exception:  # whatever the cache in use raises: it can't stop a payment
        logger.warning("cache_down", exc_info=True)
        return HttpResponse("degraded", content_type="text/plain")
    return HttpResponse("ready", content_type="text/plain")
