"""The changes that a Follower is handed: the rows of its sources, in commit-snapshot order.

Between two looks nothing is between the cursor and the snapshot that is not handed on, and what is
within is in the order in which it was logged. Many rows are handed on page by page; the place is
written down after each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import psycopg
from django.db import connections

from ..conf import settings
from ..log.change import Change
from ..log.consumers import CHANGES
from ..log.decoder import Decoder
from ..log.reader import Row, all_unseen, first_unseen
from ..products import registry
from ..products.depends import Depends
from ..round_trip import answers
from .stream import Stream, one_ahead

_SOURCES = "source = ANY (%(sources)s)"
# The statement's own snapshot sees just these rows.
_FIRST = f"""
SELECT pg_current_snapshot()::text, page.* FROM (SELECT) AS snapshot
  LEFT JOIN ({first_unseen("%(limit)s", _SOURCES)}) AS page ON true ORDER BY seq
"""
_REST = all_unseen(
    f"{_SOURCES} AND seq > %(seq)s AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot)"
)

Handler = Callable[[list[Change]], object]


class ChangeStream(Stream):
    """The changes of some sources.

    Args:
        desk: the connection that it reads on, and that holds its lock; in autocommit.
        name: of the Follower.
        reset: called when it cannot go on where it was, with the reason.
        handler: is handed the changes.
        wanted: by table and model, what of it; None for all that is captured, whole.
        alias: the database.
    """

    kind = CHANGES

    def __init__(
        self,
        desk: psycopg.Connection[Any],
        name: str,
        reset: Callable[[str], None],
        handler: Handler,
        wanted: Mapping[str, Mapping[object, Depends]] | None,
        alias: str,
    ) -> None:
        sources = registry.graph().sources
        self._handler = handler
        self._wanted = wanted
        self._sources = sorted(sources if wanted is None else wanted)
        shown = {
            model: names
            for by_model in (wanted or {}).values()
            for model, dependency in by_model.items()
            if isinstance(model, type) and (names := dependency.names_shown(model)) is not None
        }
        self._decoder = Decoder(connections[alias], sources, shown)
        self._alias = alias
        super().__init__(desk, name, reset)

    def read(self) -> bool:
        """Hand on what is new."""
        if self.place.until is not None:  # it has ended within a snapshot
            self._hand_on_the_rest(self.place.until)
            return True
        since, limit = self.place.done, settings.MAX_BATCH
        query = _FIRST, {"since": since, "sources": self._sources, "limit": limit + 1}
        (found,) = answers(self.desk, [query])
        until = str(found[0][0])
        rows = [Row(*columns) for _, *columns in found if columns[0] is not None]
        if len(rows) > limit:
            self._hand_on_the_rest(until)
        elif changes := list(self._changes(rows)):
            self.settle(self._handler(changes))
            self.move(until)
        else:
            self.pass_over(until)
        return bool(rows)

    def _hand_on_the_rest(self, until: str) -> None:
        done = self.place.done
        for seq, handed_on in one_ahead(self._handed_on(until)):
            self.settle(handed_on)
            self.move(done, until, seq)
        self.move(until)

    def _handed_on(self, until: str) -> Iterator[tuple[int, object]]:
        for page in self._pages(until):
            changes = list(self._changes(page))
            yield page[-1].seq, self._handler(changes) if changes else None

    def _pages(self, until: str) -> Iterator[list[Row]]:
        parameters = {
            "since": self.place.done,
            "sources": self._sources,
            "until": until,
            "seq": self.place.seq,
        }
        with self.desk.cursor(name="kck_publish_page", withhold=True) as cursor:
            cursor.execute(_REST, parameters)
            while page := cursor.fetchmany(settings.MAX_BATCH):
                yield [*map(Row._make, page)]

    def _changes(self, rows: Iterable[Row]) -> Iterator[Change]:
        if rows:
            connections[self._alias].ensure_connection()
        for row in rows:
            changes = self._decoder.changes(row)
            if self._wanted is None:
                yield from changes[:1]  # a table that several models read is told of once
                continue
            for change in changes:
                wanted = self._wanted[row.source].get(change.source)
                if wanted is not None and wanted.counts(change):
                    yield change
