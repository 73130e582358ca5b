"""``health``: whether this web process can answer reads, and, for operators, the whole status.

    path("health/", kck_publish.health.health)

A load balancer is told the minimum: 200 while the database answers, 503 when it does not. That no
listener runs is no reason to take a web process away, since its reads are still answered; so it is
said in the body alone (``"behind"``). With ``?complete`` it is the status as ``kck_status --json``
prints it, and 503 when that is unhealthy: for those with the permission ``kck_publish.operate``, or
with the token of the setting HEALTH_TOKEN.
"""

from __future__ import annotations

import hmac

from django.db import DatabaseError, connections
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .conf import settings
from .exceptions import KckPublishError
from .log.connected_listeners import LISTENING
from .log.lag import lags
from .postgres import outside_transactions
from .products.rights import has_permission
from .status import status


@outside_transactions
@require_safe
@never_cache
def health(request: HttpRequest, max_lag: float = 5.0) -> JsonResponse:
    """The answer: ``{"status": "ok" | "behind" | "down"}``, or the whole.

    Args:
        max_lag: seconds of lag from which on it is behind.
    """
    try:
        if "complete" in request.GET:
            if not _may_see(request):  # which asks for the session and the user
                return JsonResponse({"status": "forbidden"}, status=403)
            found = status(max_lag)
            return JsonResponse(found.as_dict(), status=200 if found.healthy else 503)
        return JsonResponse({"status": "ok" if _follows(max_lag) else "behind"})
    except (DatabaseError, KckPublishError):
        return JsonResponse({"status": "down"}, status=503)


def _follows(max_lag: float) -> bool:
    """Whether a listener runs, and comes on."""
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(LISTENING)
        (listening,) = cursor.fetchone()
        return bool(listening) and lags(cursor).longest <= max_lag


def _may_see(request: HttpRequest) -> bool:
    token = settings.HEALTH_TOKEN
    given = request.headers.get("Authorization", "")
    if token and hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return True
    user = getattr(request, "user", None)
    return bool(user and user.is_authenticated and has_permission(user, "kck_publish.operate"))
