"""The keys that one prime is to store: its own, and those that its computes miss.

A key that is missed inside a compute is a miss like any other. Its value is stored with that of the
compute, when that has ended: nothing is written before, so no row is locked while user code runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import StoreUnreachable
from ..postgres import Cursor
from ..products.product import Computed, Parameters, Product, Wanted
from ..stores import Address, Outgoing, Store, Stored, edges, pipelined
from .claims import CLAIMED, refresh_missed
from .entries import entries_of
from .unwritable import saying

# How many keys that its computes miss a prime locks at most; it computes the others for all that.
LOCKS = 500

# A crash may lose what a reader has added: it is missed once more. What a compute has written
# itself, against all advice, is waited for.
UNWAITED = """
SELECT set_config('synchronous_commit', 'off', true) WHERE pg_current_xact_id_if_assigned() IS NULL
"""

Answers = Mapping[str, Computed | Stored]


class Running:
    """One prime, while it computes.

    Args:
        store: where it stores.
        connection: that it computes on.
        flies: whether its transaction is its own, so that it may hold the keys' locks.
    """

    def __init__(self, store: Store, connection: BaseDatabaseWrapper, flies: bool) -> None:
        self.store = store
        self.connection = connection
        self.flies = flies
        self.stamp = ""
        self.entries: dict[str, Stored] = {}
        # What makes way for these: not before they are written, as a removed row is locked.
        self.expired: Sequence[Address] = ()
        self._after: list[Callable[[], None]] = []
        self._locks = 0
        self._claims: list[Any] | None = None

    def may_lock(self, count: int) -> bool:
        """Whether so many more keys may be locked; in the caller's transaction none."""
        self._locks += count
        return self.flies and self._locks <= LOCKS

    @contextmanager
    def computing(self, stamp: str) -> Iterator[None]:
        """Compute, in this state or a later one."""
        self.stamp = stamp
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)

    def keep(
        self, product: Product, wanted: Wanted, answers: Answers, stamp: str
    ) -> dict[str, Stored]:
        """Have what was computed stored in the end; the entries."""
        kept = {entry.address.key: entry for entry in entries_of(product, answers, stamp)}
        _hook(product.before_set, wanted, answers, kept)
        self.entries |= kept
        self._after.append(partial(_hook, product.after_set, wanted, answers, kept))
        return kept

    def forget(self) -> None:
        """Store nothing: the transaction that it was computed in is lost."""
        self.entries.clear()
        self._after.clear()

    def write(self) -> None:
        """Write what is to be stored; where that takes one message, commit and look at the claims.

        What is stored outside the database can be seen only after ``finish`` has delivered it.
        """
        if self.entries and self.store.transactional and pipelined.may_end(self.connection):
            first = [] if self.store.outlives_crash else [UNWAITED]
            self._claims = pipelined.end(self.connection, first, self.add, CLAIMED)
            return
        with self.connection.cursor() as cursor:
            self.add(cursor)

    def add(self, cursor: Cursor) -> None:
        """Write what is to be stored; then commit, then ``finish``."""
        entries = list(self.entries.values())
        if self.expired:
            with suppress(StoreUnreachable):
                self.store.send(cursor, Outgoing(self.stamp, removals=self.expired))
            self.store.remove(cursor, self.expired, self.stamp)
        if entries:
            added = self.store.add(cursor, entries)
            edges.keep(cursor, edges.reads_of(entries), self.stamp)
            self.entries = {entry.address.key: entry for entry in added}

    def finish(self) -> None:
        """After the commit: what is outside the database, the claims, the hooks."""
        entries = list(self.entries.values())
        if entries:
            self.store.deliver(entries)
            with saying(self.store.alias):  # the next batch examines what was added
                refresh_missed(entries, self.stamp, self.connection, self._claims)
        for after in self._after:
            after()

    def add_on_commit(self) -> None:
        """Store when the caller's transaction has committed; a failure of ours harms no hook."""
        if self.entries:
            transaction.on_commit(self._add_alone, using=self.store.alias, robust=True)

    def _add_alone(self) -> None:
        self._after.clear()
        alias = self.store.alias
        with saying(alias):
            with transaction.atomic(using=alias), self.connection.cursor() as cursor:
                self.add(cursor)
            self.finish()


_running: ContextVar[Running | None] = ContextVar("kck_publish_running_prime", default=None)


def running_on(connection: BaseDatabaseWrapper) -> Running | None:
    """The prime that computes here, on this connection, if any."""
    running = _running.get()
    return running if running is not None and running.connection is connection else None


def _hook(
    hook: Callable[[Any, Parameters], None],
    wanted: Wanted,
    answers: Answers,
    kept: Iterable[str],
) -> None:
    """Call a product's hook for each value that is stored."""
    for key in kept:
        answer = answers[key]
        if isinstance(answer, Computed) and answer.absent is None:
            hook(answer.value, wanted[key])
