"""For tests of one's own products: drain inside a TestCase, compare with a compute, travel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from . import clock, stores
from .capture.source import wrote_setting
from .conf import settings
from .listener.listener import Listener
from .log.reader import Decoder, undrained
from .log.snapshot import NOTHING, take
from .postgres import Cursor
from .products import registry
from .products.compute import compute
from .refresh import failures as refresh_failures
from .refresh import schedule
from .refresh.batch import Refresh
from .refresh.carry_over import Echoes
from .refresh.dependents import Dependents
from .refresh.results import Outcome
from .stores import edges

_SAVEPOINT = "kck_publish_drain"


def drain() -> Outcome:
    """Refresh everything that has changed: no commit, no listener and no LISTEN is needed.

    Inside a test's transaction it handles what that transaction has written; elsewhere it does
    what ``kck_listen --once`` does.
    """
    connection = connections[settings.DATABASE]
    if not connection.in_atomic_block:
        return Listener(settings.DATABASE).once()
    total = Outcome()
    schedule.plan()
    schedule.tick()
    echoes, outcome = _drain_transaction(connection, Echoes())
    while outcome.changes:
        total.add(outcome)
        echoes, outcome = _drain_transaction(connection, echoes)
    return total


class _TestSession:
    """A batch that computes and writes in the test's own transaction."""

    shard, shards = 0, 1
    fence: stores.Fence | None = None

    def __init__(self, connection: BaseDatabaseWrapper, seq: int) -> None:
        self.owed: set[str] = set()
        self._connection = connection
        self._seq = seq

    def owns(self, key: str) -> bool:
        return True

    def cursor(self) -> Cursor:
        return self._connection.cursor()

    def ask(self, *queries: stores.Query) -> list[list[Any]]:
        found = []
        with self._connection.cursor() as cursor:
            for query in queries:
                cursor.execute(*query)
                found.append(cursor.fetchall())
        return found

    def due_query(self) -> stores.Query | None:
        return _due_query()

    def breathe(self, seconds: float = 0.0) -> None:
        """Nobody else waits for a test's shard."""

    def stored(self, keys: Sequence[str]) -> None:
        """Nobody follows what is not committed."""

    def any_room(self, keys: int) -> bool:
        return True  # a drain does it all

    def defer(self, product: str) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        self._connection.needs_rollback = False
        status = self._connection.connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            with self._connection.cursor() as cursor:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    @contextmanager
    def writing(self, last: bool) -> Iterator[Cursor]:
        with transaction.atomic(using=settings.DATABASE), self._connection.cursor() as cursor:
            yield cursor
            # A compute that fails later must not take back what is written here.
            cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
            if last:
                # Settings of the session, undone with the transaction: what is drained, and that
                # nothing of what it wrote is still to be waited for.
                names = [wrote_setting(table) for table in registry.graph().sources]
                cursor.execute(
                    "SELECT set_config('kck_publish.drained', greatest(%s, nullif(current_setting("
                    "'kck_publish.drained', true), '')::bigint)::text, true), "
                    "(SELECT count(set_config(name, '', false)) FROM unnest(%s::text[]) name)",
                    [self._seq, names],
                )

    def record(self, failures: Sequence[refresh_failures.Failure]) -> None:
        with self._connection.cursor() as cursor:
            refresh_failures.record(cursor, failures)

    def forget(self, settled: Sequence[stores.Address]) -> None:
        with self._connection.cursor() as cursor:
            refresh_failures.forget(cursor, settled)


def _readers(connection: BaseDatabaseWrapper, keys: Iterable[str]) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        return edges.readers(cursor, keys)


def _drain_transaction(connection: BaseDatabaseWrapper, echoes: Echoes) -> tuple[Echoes, Outcome]:
    graph, alias = registry.graph(), settings.DATABASE
    with connection.cursor() as cursor:
        until = take(cursor)
        rows = undrained(connection)
        cursor.execute(*_due_query())
        if not rows and not cursor.fetchall():
            return echoes, Outcome()
        cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
    decoder = Decoder(connection, graph.sources)
    dependents = Dependents(
        graph,
        decoder,
        lambda key: True,
        alias,
        readers=partial(_readers, connection),
        echoes=echoes,
    )
    work = dependents.collect(rows)
    session = _TestSession(connection, work.seq)
    chunk = settings.MAX_BATCH
    refresh = Refresh(graph, stores.current(), session, NOTHING, until, chunk, echoes=echoes)
    retry = partial(dependents.request, work, reason="retry")
    outcome = refresh.run(work, retry, dependents.over)
    return refresh.cascading.echoes(), outcome


def _due_query() -> stores.Query:
    return refresh_failures.due_query(registry.graph().fingerprints, 0, 1, settings.MAX_BATCH)


def assert_fresh(*products: str) -> None:
    """Compare what is stored with a fresh compute.

    Args:
        products: names; every product when none is given.

    Raises:
        AssertionError: naming the keys that differ.
    """
    store, graph = stores.current(), registry.graph()
    stale = []
    for name in products or list(graph.products):
        product = registry.get(name)
        with connections[store.alias].cursor() as cursor:
            keys = list(store.enumerate(cursor, name, product.fingerprint))
            for key in keys:
                address = stores.Address(key, product.fingerprint)
                stored = store.look(cursor, [address]).entries.get(key)
                if stored is None:  # lost by the cache: nobody reads it
                    continue
                (fresh,) = compute(product, [product.parameters_of(key)])
                if fresh.error is not None:
                    raise fresh.error
                body = None if fresh.absent is not None else fresh.encoded(product).body
                if body != stored.body:
                    stale.append(key)
    if stale:
        raise AssertionError(f"Not fresh: {', '.join(sorted(stale))}")


@contextmanager
def travel(by: timedelta) -> Iterator[None]:
    """Move the library's clock (retries, expiry, schedules, lag) within the block."""
    clock.move(by)
    try:
        yield
    finally:
        clock.move(-by)


__all__ = ["assert_fresh", "drain", "travel"]
