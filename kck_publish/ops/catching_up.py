"""Waiting for the listener to catch up with what a look has seen, with so much patience."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connections

from ..conf import settings
from ..log.reader import UNSEEN

# Seconds between two looks at how far the listener is.
PAUSE = 0.02
# Seconds that second looks may wait for the listener, whatever the patience.
_AT_LEAST = 5.0
_PLACES = "SELECT shard, done::text FROM kck_publish_shard"
_SEEN_BUT_UNHANDLED = f"""
SELECT EXISTS (SELECT FROM kck_publish_change
                WHERE ({UNSEEN}) AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot))
"""
_PUT_ASIDE = "SELECT EXISTS (SELECT FROM kck_publish_backlog WHERE shard = ANY (%s))"
_OWNED = """
SELECT array(SELECT objid::bigint FROM pg_locks JOIN pg_database d ON d.oid = pg_locks.database
              WHERE locktype = 'advisory' AND classid = 'kck_publish_shard'::regclass
                AND objsubid = 2 AND granted AND d.datname = current_database())
"""


@dataclass
class Patience:
    """How many seconds an audit may still spend on waiting for the listener, over all keys.

    Attributes:
        grace: so many more, over all keys as well, for the second look at what seems to be wrong.
    """

    seconds: float
    grace: float = field(default_factory=lambda: _AT_LEAST)

    @contextmanager
    def waiting(self) -> Iterator[tuple[float, float]]:
        """Spend some of it; gives the times of the monotonic clock at which both end."""
        start = time.monotonic()
        until = start + self.seconds
        try:
            yield until, max(until, start + self.grace)
        finally:
            over = time.monotonic() - until
            self.seconds = max(0.0, -over)
            self.grace = max(0.0, self.grace - max(0.0, over))


def owned() -> list[int]:
    """The shards that some listener owns."""
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(_OWNED)
        shards: list[int] = cursor.fetchone()[0]
        return shards


def caught_up(snapshot: str, until: float) -> bool:
    """Wait until all that a snapshot sees is handled, by those shards that anybody owns."""
    connection = connections[settings.DATABASE]
    while True:
        followed = owned()
        with connection.cursor() as cursor:
            cursor.execute(_PLACES)
            places = [done for shard, done in cursor.fetchall() if shard in followed]
            behind = False
            for done in places:
                cursor.execute(_SEEN_BUT_UNHANDLED, {"since": done, "until": snapshot})
                behind = behind or bool(cursor.fetchone()[0])
            cursor.execute(_PUT_ASIDE, [followed])
            behind = behind or bool(cursor.fetchone()[0])
        if not behind:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE)
