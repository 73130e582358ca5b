"""``metrics``: a view for Prometheus. It tells names of products and numbers, and no values."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ...postgres import outside_transactions
from ...public_names import public_in
from .collector import DatabaseCollector
from .reads import REGISTRY, hand_on


@public_in("kck_publish.contrib.prometheus")
@outside_transactions
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The state of the database, and the reads of the web processes where they are counted.

    Whoever reaches it may read it, as is usual: let it be reached by Prometheus alone.
    """
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def exposition() -> bytes:
    """What is answered to a scrape of a web process."""
    database = CollectorRegistry(auto_describe=False)
    database.register(DatabaseCollector())
    hand_on()
    reads = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # of all processes, not of this one
        reads = CollectorRegistry(auto_describe=False)
        MultiProcessCollector(reads)  # type: ignore[no-untyped-call]
    return generate_latest(database) + generate_latest(reads)
