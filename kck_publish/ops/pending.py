"""Which keys the listener still has to look at: what ``verify`` must not judge yet.

In one snapshot, the log rows that a shard's cursor has not seen are turned into keys exactly as
the listener will do it, and from these to the products that depend on them. A key that is not
among these reflects that snapshot, by the library's own promise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from django.db.backends.base.base import BaseDatabaseWrapper

from ..clock import now
from ..conf import settings
from ..log import refreshes
from ..log.decoder import Decoder
from ..log.keys import product_of, shard_of
from ..log.reader import Row, undrained, unseen
from ..log.snapshot import NOTHING, Snapshot
from ..postgres import is_in_test
from ..products.graph import Graph
from ..products.product import Parameters, Product
from ..refresh.backlog import concerned
from ..refresh.dependents import Dependents
from ..refresh.tasks import Work, matches
from ..refresh.user_calls import Recovering
from ..stores import HAND, READER, Stored, edges

# More unseen rows than this are not looked through: everything then counts as waiting.
MANY_ROWS = 5_000
_SHARDS = "SELECT shard, shards, done::text FROM kck_publish_shard ORDER BY shard"


@dataclass
class Pending:
    """The changes still to be handled, as one snapshot shows them.

    Attributes:
        done: the cursor of each shard; its number of shards is the length.
        keys: by key, the transactions that touch it directly.
        whole: by product, what the parameters of the touched keys are, and by which transaction.
        cascade: keys that wait for another product to be refreshed first.
        cascade_whole: products of which any key may wait: for another product, or in the backlog.
        everything: there is too much to tell.
    """

    done: Sequence[Snapshot]
    keys: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    whole: dict[str, list[tuple[Parameters, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    cascade: set[str] = field(default_factory=set)
    cascade_whole: set[str] = field(default_factory=set)
    everything: bool = False

    @property
    def size(self) -> int:
        """Grows as long as more is found to wait."""
        return len(self.keys) + len(self.whole) + len(self.cascade) + len(self.cascade_whole)

    def waits(self, product: Product, parameters: Parameters, entry: Stored) -> bool:
        """Whether a stored value is not yet what the listener will make of it."""
        key = entry.address.key
        if self.everything or key in self.cascade or product.name in self.cascade_whole:
            return True
        stamp = Snapshot.parse(entry.stamp)
        done = self.done[shard_of(entry.address.key, len(self.done))]
        if entry.by == READER and not stamp.includes(done):
            return True  # added late: the next batch primes it
        xids = {
            xid for pattern, xid in self.whole.get(product.name, ()) if matches(parameters, pattern)
        }
        xids |= self.keys.get(key, set())
        # What is in the stamp is in the value, unless somebody made that up.
        return any(entry.by == HAND or not stamp.sees(xid) for xid in xids)


def pending(connection: BaseDatabaseWrapper, graph: Graph, recover: Callable[[], None]) -> Pending:
    """Everything that waits for the listener in the current transaction's snapshot.

    Args:
        connection: Django's, in a transaction of one snapshot.
        graph: the products.
        recover: makes the transaction usable again after an error of user code.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SHARDS)
        places = cursor.fetchall() or [(0, 1, NOTHING)]
    result = Pending([Snapshot.parse(done) for _, _, done in places])
    decoder = Decoder(connection, graph.sources)
    for shard, shards, done in places:
        owns = _owner(shard, shards)
        collect = Dependents(graph, decoder, owns, settings.DATABASE, Recovering(recover)).collect
        for row in _rows(connection, done, result):
            _add(result, collect([row]), row.xid)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, stored FROM kck_publish_backlog")
        for name, stored in cursor.fetchall():
            result.cascade_whole |= concerned(graph, name, stored)
    size = -1
    while size != (size := result.size):  # until one adds nothing to the other
        _cascades(result, graph, decoder, recover)
        _recorded(result, graph, connection)
    return result


def _owner(shard: int, shards: int) -> Callable[[str], bool]:
    return lambda key: shard_of(key, shards) == shard


def _rows(connection: BaseDatabaseWrapper, done: str, pending: Pending) -> list[Row]:
    if is_in_test(connection):
        return undrained(connection)
    with closing(unseen(connection, done)) as rows:  # type: ignore[type-var]
        first = list(islice(rows, MANY_ROWS + 1))
    if len(first) > MANY_ROWS:
        pending.everything = True
        return []
    return first


def _add(pending: Pending, work: Work, xid: int) -> None:
    for tasks in work.tasks.values():
        for key in tasks:
            pending.keys[key].add(xid)
    for name, patterns in work.whole.items():
        pending.whole[name] += [(pattern, xid) for pattern in patterns]
    for key in work.removed:
        pending.keys[key].add(xid)


def _cascades(
    pending: Pending, graph: Graph, decoder: Decoder, recover: Callable[[], None]
) -> None:
    """The keys that depend on the products that wait, as their refresh will be logged."""
    collect = Dependents(
        graph, decoder, lambda key: True, settings.DATABASE, Recovering(recover)
    ).collect
    for name in graph.order:  # what is depended on comes first
        if not graph.by_product.get(name):
            continue
        if name in pending.whole or name in pending.cascade_whole:
            pending.cascade_whole |= {product.name for product, _ in graph.by_product[name]}
            continue
        waiting = {*pending.keys, *pending.cascade}
        for key in sorted(key for key in waiting if product_of(key) == name):
            work = collect([_refreshed(name, key)])
            pending.cascade_whole |= work.whole.keys()
            pending.cascade |= {key for tasks in work.tasks.values() for key in tasks}


def _recorded(pending: Pending, graph: Graph, connection: BaseDatabaseWrapper) -> None:
    """The keys that were computed, without declaring it, from keys that wait."""
    with connection.cursor() as cursor:
        waiting = {*pending.keys, *pending.cascade}
        pending.cascade |= {key for _, key in edges.readers(cursor, waiting)}
        for name in {*pending.whole, *pending.cascade_whole}:
            pending.cascade |= set(edges.readers_of(cursor, name))


def _refreshed(name: str, key: str) -> Row:
    return Row(0, 0, name, refreshes.REFRESHED, None, None, [key], None, now())
