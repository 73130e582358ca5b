"""The backlog: what is too much for one batch, put aside and worked off in pages between others.

When one source has changed more often than ``MAX_CHANGES`` in what a batch reads, the batch does
not read these rows: it records that the source's changes between its two snapshots are still to
be handled, and goes on with those of the other sources. When a product is touched as a whole and
more of it is stored, the same is recorded of its stored keys. Each later batch takes one page of
the backlog along, sized so that a page is about half a second's work.

Why so, and not a marker within the log or a whole product in place of its keys: the log already
holds the rows, durably, so a page needs two numbers; the cursor goes on, so the other sources
wait for a page at the most; and a million changed rows of ten million cost a million keys. A page
is computed in the snapshot of the batch that takes it along, which includes all that was put
aside: so keys that many pages touch are refreshed once (their stamp tells), and whatever a batch
has finished is true to its cursor, as always. What is still to come is older than that: a value is
augmented only when its stamp includes all that was put aside under its product (see ``behind``).

The position moves in the transaction that moves the cursor, so a crash repeats a page.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock
from ..log.reader import COLUMNS, LATE, LATER, Row
from ..log.snapshot import Snapshot
from ..products.graph import Graph
from ..stores import Query

START = uuid.UUID(int=0)

_LOAD = """
SELECT id, name, stored, since::text, until::text, xid, seq, digest
  FROM kck_publish_backlog WHERE shard = %s ORDER BY id
"""
_ADD = """
INSERT INTO kck_publish_backlog (shard, name, stored, since, until, at)
VALUES (%s, %s, %s, %s, %s, coalesce(%s, clock_timestamp()))
"""
_EXTEND = "UPDATE kck_publish_backlog SET until = %s WHERE id = %s"
_MOVE = "UPDATE kck_publish_backlog SET xid = %s, seq = %s, digest = %s WHERE id = %s"
_DONE = "DELETE FROM kck_publish_backlog WHERE id = %s"
_COUNT = f"""
SELECT source, count(*), min(at) FROM (
    SELECT source, at FROM kck_publish_change WHERE {LATER}
     UNION ALL
    SELECT source, at FROM kck_publish_change WHERE {LATE}
) unseen GROUP BY source
"""
# In the order of the index: a page ends where the next one begins.
_PAGE = f"""
SELECT {COLUMNS} FROM kck_publish_change
 WHERE (xid, seq) > (%s::text::xid8, %s) AND source = %s
   AND NOT pg_visible_in_snapshot(xid, %s::pg_snapshot)
   AND pg_visible_in_snapshot(xid, %s::pg_snapshot)
 ORDER BY kck_publish_change.xid, seq LIMIT %s
"""


@dataclass(frozen=True)
class Deferred:
    """The changes of one source between two snapshots, or the stored keys of one product.

    Attributes:
        name: the table, or the product.
        stored: whether it is the stored keys of a product.
        since: the changes that this snapshot sees were handled before.
        until: those that this one does not see come later.
        xid, seq: the last row of the log that was handled.
        digest: the last stored key that was.
        spread: products that a page has touched as a whole: once is enough. Not kept.
    """

    id: int
    name: str
    stored: bool
    since: str
    until: str
    xid: int
    seq: int
    digest: uuid.UUID
    spread: frozenset[str] = frozenset()

    @property
    def begun(self) -> bool:
        """Whether a page of it has been handled."""
        return bool(self.xid or self.digest != START)

    def rows(self, connection: BaseDatabaseWrapper, limit: int) -> list[Row]:
        """The next page of the log."""
        with connection.cursor() as cursor:
            xid = self.xid or Snapshot.parse(self.since).xmin
            place: list[Any] = [str(xid), self.seq, self.name, self.since, self.until, limit]
            clock.aware(cursor).execute(_PAGE, place)
            return [*map(Row._make, cursor.fetchall())]

    def after_rows(self, rows: Sequence[Row], limit: int) -> Query:
        """Records that a page of the log is handled; all is, when it was not full."""
        return self._moved(rows[-1].xid, rows[-1].seq, START) if len(rows) == limit else self._over

    def after_keys(self, digests: Sequence[uuid.UUID], limit: int) -> Query:
        """The same of a page of stored keys."""
        return self._moved(0, 0, digests[-1]) if len(digests) == limit else self._over

    def _moved(self, xid: int, seq: int, digest: uuid.UUID) -> Query:
        return _MOVE, [xid, seq, digest, self.id]

    @property
    def _over(self) -> Query:
        return _DONE, [self.id]


def load(
    desk: psycopg.Connection[Any], shard: int, known: Iterable[Deferred] = ()
) -> tuple[Deferred, ...]:
    """The backlog of a shard, with what is remembered of it."""
    spread = {deferred.id: deferred.spread for deferred in known}
    rows = (Deferred(*row) for row in desk.execute(_LOAD, [shard]).fetchall())
    return tuple(
        replace(deferred, spread=spread.get(deferred.id, frozenset())) for deferred in rows
    )


def flood(
    connection: BaseDatabaseWrapper, since: str, first: Sequence[Any], page: int, most: int
) -> dict[str, datetime]:
    """The sources that have too many changes for one batch, with the time of the oldest.

    Args:
        connection: in the batch's transaction.
        since: the cursor.
        first: the first rows of what is unseen.
        page: as many as were asked for at the most; that many mean that there may be more.
        most: changes in one batch.
    """
    if len(first) <= min(page, most):
        return {}
    if len(first) > page:
        with connection.cursor() as cursor:
            clock.aware(cursor).execute(_COUNT, {"since": since})
            counted = cursor.fetchall()
    else:
        counts = Counter(row[2] for row in first)
        oldest: dict[str, datetime] = {}
        for row in first:
            oldest[row[2]] = min(row[8], oldest.get(row[2], row[8]))
        counted = [(source, count, oldest[source]) for source, count in counts.items()]
    return dict(_too_many(counted, most))


def _too_many(counted: Iterable[tuple[str, int, datetime]], most: int) -> Iterator[Any]:
    """All but the sources with the fewest, as far as these are not too many together."""
    total = 0
    for source, count, oldest in sorted(counted, key=lambda one: (one[1], one[0])):
        total += count
        if total > most:
            yield source, oldest


def put_aside(shard: int, since: str, until: str, sources: Mapping[str, datetime]) -> list[Query]:
    """Records that the sources' changes between two snapshots are still to be handled."""
    return [(_ADD, [shard, name, False, since, until, at]) for name, at in sources.items()]


def put_aside_stored(
    backlog: Iterable[Deferred],
    busy: Deferred | None,
    shard: int,
    product: str,
    since: str,
    until: str,
) -> Query:
    """The same of a product's stored keys; added to what is recorded and not yet begun."""
    for deferred in backlog:
        if (
            deferred.stored
            and deferred.name == product
            and not deferred.begun
            and deferred is not busy
        ):
            return _EXTEND, [until, deferred.id]
    return _ADD, [shard, product, True, since, until, None]


def behind(
    graph: Graph, backlog: Iterable[Deferred], sources: Iterable[str], until: str
) -> dict[str, Snapshot]:
    """By product, what the stamp of a value must include if it is to lack nothing of the backlog.

    Args:
        graph: the products.
        backlog: what was put aside before.
        sources: whose changes this batch puts aside.
        until: the snapshot of this batch.
    """
    parts = [(deferred.name, deferred.stored, deferred.until) for deferred in backlog]
    found: dict[str, Snapshot] = {}
    for source, stored, last in [*parts, *((source, False, until) for source in sources)]:
        snapshot = Snapshot.parse(last)
        for name in concerned(graph, source, stored):
            if name not in found or snapshot.includes(found[name]):
                found[name] = snapshot
    return found


def concerned(graph: Graph, name: str, stored: bool) -> set[str]:
    """The products that a part of the backlog touches directly."""
    if stored:
        return {name}
    models = graph.sources[name].models if name in graph.sources else ()
    dependents = [pair for model in models for pair in graph.by_model.get(model, ())]
    dependents += graph.by_product.get(name, ())
    return {product.name for product, _ in dependents} | ({name} & graph.products.keys())
