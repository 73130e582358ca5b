"""The change log: the rows that a cursor has not yet seen.

A consumer never claims rows. It keeps a cursor, the snapshot up to which it has handled
everything, and reads what a newer snapshot sees and the cursor does not: late commits are found
through the cursor's list of running transactions, so there is no gap and nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock
from ..postgres import Cursor

# What a cursor has not seen: two arms, each a scan of the index on xid, and disjoint. The rows are
# visible to the reading statement, whose snapshot is the other half of the condition.
LATER = "xid >= pg_snapshot_xmax(%(since)s::pg_snapshot)"
LATE = "xid = ANY (kck_publish_running_v1(%(since)s::pg_snapshot))"
UNSEEN = "kck_publish_unseen_v1(xid, %(since)s::pg_snapshot)"
# Inside a test's transaction: what it has itself written since it was last drained.
UNDRAINED = """
    xid = pg_current_xact_id_if_assigned()
    AND seq > coalesce(nullif(current_setting('kck_publish.drained', true), ''), '0')::bigint
"""
COLUMNS = "seq, xid::text::bigint, source, op, columns, old, new, origin, at, trace"


def all_unseen(condition: str = "true") -> str:
    """What reads all that a cursor has not seen, and that meets a condition, in order."""
    return f"""
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATER} AND {condition}
 UNION ALL
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATE} AND {condition}
 ORDER BY seq
"""


def first_unseen(limit: str, condition: str = "true") -> str:
    """What reads the first rows of it, if there are so few: ``limit`` from each arm.

    What is in a SELECT of its own is unknown to the planner, so it makes one plan for all looks,
    and not one for each; in the index's order, a short way, that plan is not a scan of the table.
    """
    arm = f"""
(SELECT {COLUMNS} FROM kck_publish_change
  WHERE xid {{}} AND {condition} ORDER BY kck_publish_change.xid LIMIT {limit})
"""
    later = ">= (SELECT pg_snapshot_xmax(%(since)s::pg_snapshot))"
    late = "= ANY ((SELECT kck_publish_running_v1(%(since)s::pg_snapshot))::xid8[])"
    return f"{arm.format(later)} UNION ALL {arm.format(late)}"


_READ_UNSEEN = all_unseen()
_READ_UNSEEN_OF_OTHERS = all_unseen("source <> ALL (%(without)s)")
_READ_UNDRAINED = f"SELECT {COLUMNS} FROM kck_publish_change WHERE {UNDRAINED} ORDER BY seq"
# In the index's order, or the planner takes "xid >= ..." for a third of the table. And not from the
# index's end: that may be a long way through rows that are trimmed and not yet vacuumed.
ANY_UNSEEN = f"""
SELECT (SELECT true FROM kck_publish_change WHERE {LATER} ORDER BY xid LIMIT 1) IS NOT NULL
    OR EXISTS (SELECT FROM kck_publish_change WHERE {LATE})
"""
# So many rows come with the snapshot (``FIRST_UNSEEN``); more than FETCH are streamed, in pages.
FIRST, FETCH = 250, 2000


class Row(NamedTuple):
    """One row of the log, as it is stored."""

    seq: int
    xid: int
    source: str
    op: str
    columns: Sequence[str] | None
    old: Sequence[str | None] | None
    new: Sequence[str | None] | None
    origin: str | None
    at: datetime
    trace: str | None = None


# Where FIRST_UNSEEN gives more rows than FIRST, it is not all of them, nor the first.
MORE_UNSEEN = f"{_READ_UNSEEN} LIMIT {FETCH + 1}"
# A few changes come with the snapshot, for one wait; each arm gives one more than that.
FIRST_UNSEEN = f"SELECT * FROM ({first_unseen(str(FIRST + 1))}) unseen ORDER BY seq"


def unseen(
    connection: BaseDatabaseWrapper,
    since: str,
    first: Sequence[Any] | None = None,
    without: Collection[str] = (),
) -> Iterator[Row]:
    """The rows that the current transaction sees and the cursor has not, in order.

    Args:
        connection: in the batch's transaction.
        since: the cursor.
        first: the first rows of what is unseen, if they were asked; many are streamed.
        without: sources that are left out.
    """
    if first is not None and len(first) <= FETCH:
        for each in map(Row._make, first):
            if each.source not in without:
                yield each
        return
    with connection.chunked_cursor() as cursor:
        query = _READ_UNSEEN_OF_OTHERS if without else _READ_UNSEEN
        clock.aware(cursor).execute(query, {"since": since, "without": list(without)})
        while some := cursor.fetchmany(FETCH):
            yield from map(Row._make, some)


def undrained(connection: BaseDatabaseWrapper) -> list[Row]:
    """The changes that a test's own transaction has written since it was last drained."""
    with connection.cursor() as cursor:
        clock.aware(cursor).execute(_READ_UNDRAINED)
        return [*map(Row._make, cursor.fetchall())]


def any_unseen(cursor: Cursor, since: str) -> bool:
    """Whether there is anything new for a cursor: one look at the end of an index."""
    cursor.execute(ANY_UNSEEN, {"since": since})
    return bool(cursor.fetchone()[0])
