"""One batch of the change log: its rows become keys, and these are refreshed.

The listener runs it in its two transactions, ``drain()`` in the one of a test: see ``Session``.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import stores
from ..log.reader import Decoder, Row
from ..products import registry
from .carry_over import Echoes
from .dependents import Dependents
from .outcome import Outcome
from .refresher import Refresher
from .session import Session
from .span import Span
from .tasks import Work


class Batch:
    """Collects what the log says, then refreshes it.

    Args:
        session: where the batch computes and writes.
        span: what of the log it handles.
        echoes: what the batch before has left.

    Attributes:
        work: what is collected so far.
    """

    def __init__(self, session: Session, span: Span, echoes: Echoes) -> None:
        graph = registry.graph()
        self.work = Work()
        self._session = session
        self._dependents = Dependents(
            graph,
            Decoder(session.connection, graph.sources),
            session.owns,
            session.connection.alias,
            session.recover,
            session.any_stored,
            session.readers,
            echoes,
        )
        self._refresher = Refresher(graph, stores.current(), session, span, echoes)

    def collect(self, rows: Iterable[Row]) -> None:
        """Add the keys that rows of the log touch."""
        self._dependents.collect(self._breathing(rows), self.work)

    def request(self, key: str, reason: str) -> None:
        """Add a key to be primed."""
        self._dependents.request(self.work, key, reason)

    def run(self) -> Outcome:
        """Refresh what is collected, and the keys whose retry is due.

        Raises:
            Fenced: the shard has moved to another worker; nothing was written.
            StoreUnreachable: the cursor has not moved.
        """
        return self._refresher.run(
            self.work, lambda key: self.request(key, "retry"), self._dependents.over
        )

    def echoes(self) -> Echoes:
        """What the next batch need not do again."""
        return self._refresher.cascading.echoes()

    def _breathing(self, rows: Iterable[Row]) -> Iterable[Row]:
        """The rows, with a sign of life between them, if one is due."""
        for row in rows:
            yield row
            self._session.breathe()  # which keys depend on it may have cost some queries
