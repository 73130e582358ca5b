"""Whether NOTIFY is heard where the listener listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from django.db import connections

from ..exceptions import ConfigurationError
from ..postgres import connect
from .registry import Asks, Problem, diagnosis

# A channel of the doctor's own: no listener wakes.
CHANNEL = "kck_publish_doctor"
PATIENCE = 3.0


@diagnosis("notifications", Asks.RUNNING)
def unheard_notifications(alias: str) -> Iterator[Problem]:
    """A LISTEN that hears nothing: most often a pooler in transaction mode is in between."""
    try:
        listening = connect(alias)
    except ConfigurationError:
        return  # the subject "pooler" names it
    with listening:
        listening.execute(f"LISTEN {CHANNEL}")
        with closing(connections[alias].copy()) as writer, writer.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
        if not list(listening.notifies(timeout=PATIENCE, stop_after=1)):
            yield Problem(
                "W015",
                "NOTIFY is not heard where the listener listens: each change waits for "
                "POLL_INTERVAL. A pooler in transaction mode may be in between.",
                "Let KCK_PUBLISH['DIRECT'] name the server itself.",
            )
