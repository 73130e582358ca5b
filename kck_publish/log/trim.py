"""The log is kept short: what every follower has handled, and is old enough, is deleted.

Trimming follows the log as its readers do, by a cursor of its own, the snapshot up to which
everything is deleted. So it deletes what is between that and the oldest follower's cursor: it
neither waits for a transaction that stays open (here or in another database of the cluster) nor
reads again through the dead rows that an old snapshot keeps from being vacuumed.

Partitions that are rotated and truncated would give the space back under a held snapshot, but
TRUNCATE waits for every transaction that has read the table, a dump for instance, and all writers
then wait behind it. See docs/benchmarks.md for what a held horizon costs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..postgres import Cursor
from .consumers import cursors
from .reader import LATE
from .snapshot import NOTHING, Snapshot

# How many rows one trimming transaction deletes at the most: a few milliseconds.
TRIMMED = 5_000

# What is old is told by ``at`` only where nobody has yet looked long enough: see Trimming.
_AGED = "at < clock_timestamp() - make_interval(secs => %(older)s)"
_DELETE = """
WITH gone AS (
    DELETE FROM kck_publish_change WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM kck_publish_change
         WHERE {where} AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot) AND {aged}
         ORDER BY xid LIMIT {most}))
    RETURNING xid
)
SELECT count(*), max(xid::text::bigint) FROM gone
"""
_LATER = "xid >= %(start)s::text::xid8 AND xid < pg_snapshot_xmax(%(until)s::pg_snapshot)"
_DELETE_LATE = _DELETE.format(where=LATE, aged=_AGED, most=TRIMMED)
_DELETE_LATER = _DELETE.format(where=_LATER, aged=_AGED, most=TRIMMED)


@dataclass
class Trimming:
    """One listener's trimming.

    Args:
        keep: seconds that handled rows are kept.
    """

    keep: float
    _since: str = NOTHING
    _until: str | None = None
    _older: float = 0.0
    _start: int = 0
    _seen: deque[tuple[float, str]] = field(default_factory=deque)
    _begun: bool = False

    def trim(self, cursor: Cursor, known: Sequence[str] | None = None) -> int:
        """Delete some rows; the number. Fewer than ``TRIMMED``: there are no more for now.

        Args:
            known: the cursors of all for whom the log is kept, if they were just asked.
        """
        if self._until is None and not self._next(cursors(cursor) if known is None else known):
            return 0
        parameters = {"since": self._since, "until": self._until, "older": self._older}
        cursor.execute(_DELETE_LATE, parameters)
        late = int(cursor.fetchone()[0])
        if late == TRIMMED:
            return late
        cursor.execute(_DELETE_LATER, parameters | {"start": str(self._start)})
        count, last = cursor.fetchone()
        if count == TRIMMED:
            self._start = last  # its transaction may have written more
            return TRIMMED
        if self._older == 0.0:  # all between the two is gone
            self._since = self._until or NOTHING
        self._until = None
        return late + int(count)

    def _next(self, found: Sequence[str]) -> bool:
        """Decide up to where the next rows are deleted; False when it is too early for any."""
        if not found:
            return False
        now = time.monotonic()
        oldest = min(found, key=lambda done: Snapshot.parse(done).age)
        if not self._seen or self._seen[-1][1] != oldest:
            self._seen.append((now, oldest))
        if not self._begun:  # what an earlier listener has left, by its age
            self._begun, self._until, self._older, self._start = True, oldest, self.keep, 0
            return True
        ready = None
        while self._seen and self._seen[0][0] <= now - self.keep:
            ready = self._seen.popleft()[1]
        if ready is None or not Snapshot.parse(ready).includes(Snapshot.parse(self._since)):
            return False
        self._until, self._older = ready, 0.0
        self._start = Snapshot.parse(self._since).xmax
        return True
