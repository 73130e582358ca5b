"""How the reads of web processes were answered: off by default.

The reads themselves only count (see ``reading.counts``); what they have counted is handed to
Prometheus at the end of a request, once a second, and when this process is scraped. So it is right
in each process, and with several of them where PROMETHEUS_MULTIPROC_DIR is set.
"""

from __future__ import annotations

import threading
import time

from django.core.signals import request_finished
from prometheus_client import CollectorRegistry, Counter

from ...public_names import public_in
from ...reading.counts import counts

REGISTRY = CollectorRegistry(auto_describe=True)
_READS = Counter(
    "kck_publish_reads", "Keys read, by the tier that answered.", ["tier"], registry=REGISTRY
)
_WAITS = Counter(
    "kck_publish_single_flight_waits",
    "Reads that waited for another's compute of the same key.",
    registry=REGISTRY,
)

_lock = threading.Lock()
_told: dict[str, int] = {}
_counting = False
# At the end of how many requests it is handed on: of one a second. What comes after it is handed on
# by the next request, and when this process is scraped.
SECOND = 1.0
_due = 0.0


@public_in("kck_publish.contrib.prometheus")
def count_reads() -> None:
    """Have the reads of this process counted; call it in the ``ready()`` of an AppConfig."""
    global _counting
    with _lock:
        if not _counting:
            _counting = True
            _told.update(_now())
            request_finished.connect(_finished, dispatch_uid="kck_publish.prometheus")


def hand_on() -> None:
    """Hand on what was counted since the last time, if that was asked for."""
    with _lock:
        if not _counting:
            return
        for name, number in _now().items():
            new = number - _told.get(name, 0)
            if new > 0:
                (_WAITS if name == "waits" else _READS.labels(name)).inc(new)
                _told[name] = number


def _finished(**arguments: object) -> None:
    global _due
    if time.monotonic() >= _due:
        _due = time.monotonic() + SECOND
        hand_on()


def _now() -> dict[str, int]:
    return {**counts.by_tier(), "waits": counts.waits}
