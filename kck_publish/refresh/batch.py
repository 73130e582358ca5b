"""One batch of the change log: its rows become keys, and these are refreshed.

The listener runs it in its two transactions, ``drain()`` in the one of a test: see ``Session``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from .. import stores, tracing
from ..log.decoder import Decoder
from ..log.reader import Row
from ..products import registry
from .carry_over import Echoes
from .dependents import Dependents
from .log_span import Span
from .outcome import Outcome
from .refresher import Refresher
from .session import Session
from .tasks import Work

# Between two rows, a sign of life is thought of this often, in seconds.
BREATH = 0.05


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
        self._began = time.time()
        self._session = session
        self._dependents = Dependents(
            graph,
            Decoder(session.connection, graph.sources),
            session.owns,
            session.connection.alias,
            session.attempt,
            session.any_stored,
            session.readers,
            echoes,
            span.behind,
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
        work, shard = self.work, self._session.shard
        if tracing.tracer is None or not (work.changes or work.tasks):
            return self._run()
        with tracing.span(
            "batch", work.traces, self._began, shard=shard, changes=work.changes, keys=work.size
        ):
            return self._run()

    def _run(self) -> Outcome:
        return self._refresher.run(
            self.work, lambda key: self.request(key, "retry"), self._dependents.over
        )

    def echoes(self) -> Echoes:
        """The work that the next batch need not do again."""
        return self._refresher.cascading.echoes()

    def _breathing(self, rows: Iterable[Row]) -> Iterable[Row]:
        """The rows, with a sign of life between them, if one is due."""
        now = time.monotonic
        due = now()
        for row in rows:
            yield row
            if now() >= due:  # which keys depend on it may have cost some queries
                self._session.breathe()
                due = now() + BREATH
