"""The short transaction in which a chunk of a batch's results is written, and told to others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..log import refreshes
from ..log.keys import product_of
from ..postgres import Cursor
from ..products.graph import Graph
from ..stores import UNTOLD, Address, Outgoing, Store, Stored, Written, edges
from . import failures
from .outcome import Act, Fate
from .paused_products import Postponing
from .session import Session


class Chunk:
    """The fates of some keys, grouped by what is done in the store.

    Args:
        fates: one a key.
        swept: products, by name with their fingerprint, of which other versions of the code keep
            nothing.

    Attributes:
        entries: what is written, adopted or renewed.
        removals: what is removed.
        marked: what is marked as behind: its refresh failed, or is postponed.
        touched: what a change has touched; other versions of the code keep none of it.
        moved: keys whose dependents are told.
        reads: what was computed from what, without declaring it.
    """

    def __init__(self, fates: Sequence[Fate], swept: Sequence[tuple[str, str]]) -> None:
        self.swept = swept
        self.entries: dict[Act, list[Stored]] = {Act.WRITE: [], Act.ADOPT: [], Act.RENEW: []}
        self.removals: list[Address] = []
        self.marked: list[Address] = []
        self.touched = [fate.address for fate in fates if fate.task is not None]
        self.moved = [fate.address.key for fate in fates if fate.moved]
        self.reads = {fate.address: fate.reads for fate in fates if fate.reads is not None}
        for fate in fates:
            if fate.entry is not None:
                self.entries[fate.act].append(fate.entry)
            elif fate.act is Act.REMOVE:
                self.removals.append(fate.address)
            elif fate.act is Act.MARK:
                self.marked.append(fate.address)

    @property
    def changed(self) -> list[str]:
        """The keys under which another value is stored, or none any more."""
        addresses = [entry.address for entry in self.entries[Act.WRITE]] + self.removals
        return [address.key for address in addresses]


class Writer:
    """Writes the chunks of one batch.

    Args:
        graph: the products.
        store: where values live.
        session: where the batch writes.
        until: the snapshot that the batch is computed in.
        token: of the batch, for the rows that tell the dependents.
        postponing: what is not done, since its product is paused.
    """

    def __init__(
        self,
        graph: Graph,
        store: Store,
        session: Session,
        until: str,
        token: str,
        postponing: Postponing,
    ) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._until = until
        self._token = token
        self._postponing = postponing

    def write(
        self, fates: Sequence[Fate], last: bool, swept: Iterable[str], any_edges: bool
    ) -> int:
        """Write what becomes of some keys, and tell the dependents.

        Args:
            fates: one a key.
            last: whether the cursor of the log moves with it.
            swept: products of which other versions of the code keep nothing.
            any_edges: whether any value has recorded what it was computed from.

        Returns:
            how many keys were told to those that declare to depend on them.

        Raises:
            Fenced: the shard has moved to another worker; nothing was written.
            StoreUnreachable: the cursor has not moved.
        """
        names = [(name, self._graph.products[name].fingerprint) for name in swept]
        chunk = Chunk(fates, names)
        self._send(chunk)
        with self._session.writing(last) as cursor:
            written = self._store_chunk(cursor, chunk)
            cascaded = self._tell(cursor, chunk, any_edges)
            if chunk.marked:
                failures.mark_behind(cursor, chunk.marked)
            self._postponing.write(cursor, self._session.shard, self._session.shards)
        self._postponing.written()
        self._session.stored(chunk.changed, written)
        return cascaded

    def _send(self, chunk: Chunk) -> None:
        """To a store outside the database first: cut off in between, the batch is repeated."""
        entries = chunk.entries[Act.WRITE] + chunk.entries[Act.RENEW]
        with self._session.cursor() as cursor:
            self._store.send(
                cursor,
                Outgoing(
                    self._until,
                    entries,
                    chunk.removals,
                    chunk.touched,
                    chunk.swept,
                    self._session.fence,
                ),
            )

    def _store_chunk(self, cursor: Cursor, chunk: Chunk) -> Written:
        store = self._store
        written = UNTOLD
        if writes := chunk.entries[Act.WRITE]:
            written = store.write(cursor, writes)
        if chunk.removals:
            store.remove(cursor, chunk.removals, self._until)
        if adopted := chunk.entries[Act.ADOPT]:
            store.adopt(cursor, adopted)
        if renewed := chunk.entries[Act.RENEW]:
            store.table.renew(cursor, renewed)
        if chunk.touched or chunk.removals:
            store.table.remove_foreign(cursor, chunk.touched + chunk.removals)
        for name, fingerprint in chunk.swept:
            store.table.remove_foreign_of(cursor, name, fingerprint)
        return written

    def _tell(self, cursor: Cursor, chunk: Chunk, any_edges: bool) -> int:
        """Tell those that depend on what has changed: through the log, or along what they read."""
        declared = [key for key in chunk.moved if self._graph.by_product.get(product_of(key))]
        known = set(declared)
        others = [key for key in chunk.moved if key not in known]
        reads = {address: read for address, read in chunk.reads.items() if read or any_edges}
        refreshes.log(cursor, refreshes.REFRESHED, declared, self._token)
        edges.keep(cursor, reads, self._until, replace=True)
        edges.log_refreshes(cursor, others)
        # A cache may have lost a value that a near store still has.
        self._store.tell_near(cursor, [address.key for address in chunk.touched])
        return len(declared)
