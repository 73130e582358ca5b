"""The short transaction in which a chunk of a batch's results is written, and told to others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from ..log import refreshes
from ..postgres import Cursor
from ..products.graph import Graph
from ..stores import Address, Outgoing, Read, Store, Stored, edges
from . import failures
from .outcome import Act, Fate
from .session import Session


class Chunk:
    """The fates of some keys, grouped by what is done in the store.

    Args:
        fates: one a key.
        swept: products, by name with their fingerprint, of which other versions of the code keep
            nothing.
    """

    def __init__(self, fates: Sequence[Fate], swept: Sequence[tuple[str, str]]) -> None:
        self.fates = fates
        self.swept = swept

    def entries(self, act: Act) -> list[Stored]:
        """The entries to write, adopt or renew."""
        return [fate.entry for fate in self.fates if fate.act is act and fate.entry is not None]

    @cached_property
    def removals(self) -> list[Address]:
        """What is removed."""
        return [fate.address for fate in self.fates if fate.act is Act.REMOVE]

    @cached_property
    def touched(self) -> list[Address]:
        """What a change has touched: other versions of the code keep none of it."""
        return [fate.address for fate in self.fates if fate.task is not None]

    @cached_property
    def changed(self) -> list[str]:
        """The keys under which another value is stored, or none any more."""
        return [fate.address.key for fate in self.fates if fate.changed]

    @cached_property
    def failed(self) -> list[Address]:
        """The keys whose refresh failed."""
        return [fate.address for fate in self.fates if fate.act is Act.MARK]

    def moved(self, graph: Graph) -> tuple[list[str], list[str]]:
        """The keys whose dependents are told: of products that others declare, and the rest."""
        declared: list[str] = []
        others: list[str] = []
        for fate in self.fates:
            if fate.moved:
                known = graph.by_product.get(fate.product.name)
                (declared if known else others).append(fate.address.key)
        return declared, others

    def reads(self, any_edges: bool) -> dict[Address, Sequence[Read]]:
        """What values were computed from without declaring it; nothing, where nothing ever was."""
        return {
            fate.address: fate.reads
            for fate in self.fates
            if fate.reads is not None and (fate.reads or any_edges)
        }


class Writer:
    """Writes the chunks of one batch.

    Args:
        graph: the products.
        store: where values live.
        session: where the batch writes.
        until: the snapshot that the batch is computed in.
        token: of the batch, for the rows that tell the dependents.
    """

    def __init__(
        self, graph: Graph, store: Store, session: Session, until: str, token: str
    ) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._until = until
        self._token = token

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
            self._store_chunk(cursor, chunk)
            cascaded = self._tell(cursor, chunk, any_edges)
            if chunk.failed:
                failures.mark_behind(cursor, chunk.failed)
        self._session.stored(chunk.changed)
        return cascaded

    def _send(self, chunk: Chunk) -> None:
        """To a store outside the database first: cut off in between, the batch is repeated."""
        entries = chunk.entries(Act.WRITE) + chunk.entries(Act.RENEW)
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

    def _store_chunk(self, cursor: Cursor, chunk: Chunk) -> None:
        store = self._store
        if writes := chunk.entries(Act.WRITE):
            store.write(cursor, writes)
        if chunk.removals:
            store.remove(cursor, chunk.removals, self._until)
        if adopted := chunk.entries(Act.ADOPT):
            store.adopt(cursor, adopted)
        if renewed := chunk.entries(Act.RENEW):
            store.table.renew(cursor, renewed)
        if chunk.touched or chunk.removals:
            store.table.remove_foreign(cursor, chunk.touched + chunk.removals)
        for name, fingerprint in chunk.swept:
            store.table.remove_foreign_of(cursor, name, fingerprint)

    def _tell(self, cursor: Cursor, chunk: Chunk, any_edges: bool) -> int:
        """Tell those that depend on what has changed: through the log, or along what they read."""
        declared, others = chunk.moved(self._graph)
        refreshes.log(cursor, refreshes.REFRESHED, declared, self._token)
        edges.keep(cursor, chunk.reads(any_edges), self._until, replace=True)
        edges.tell(cursor, others)
        # A cache may have lost a value that a near store still has.
        self._store.tell_near(cursor, [address.key for address in chunk.touched])
        return len(declared)
