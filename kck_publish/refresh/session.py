"""The surroundings of a batch: where it computes, reads stored entries, and writes.

A listener's batch has two connections (see ``listener.session``); one of ``drain()`` in a test has
the test's own (see ``drain``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import OperationalError

from .. import clock, stores
from ..conf import settings
from ..log.keys import shard_of
from ..postgres import Cursor
from ..products import registry
from ..products.product import Product
from ..stores import Address, Fence, Query, Written, edges
from . import failures
from .compute_transaction import ComputeTransaction
from .failures import Failure, Try
from .lost_connections import Losses
from .user_calls import CallFailedError

T = TypeVar("T")


class Session(ABC):
    """The surroundings of one batch.

    Args:
        connection: Django's, in the transaction that the batch computes in.
        shard: whose keys the batch refreshes.
        shards: how many there are.
        fence: keeps a worker that has lost the shard from writing outside the database.
        owed: keys whose failure could not be recorded.
        losses: of the connection, by key.
    """

    # Whether all that the batch computes sees one snapshot.
    sees_one_state = True

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        shard: int = 0,
        shards: int = 1,
        fence: Fence | None = None,
        owed: Iterable[str] = (),
        losses: Losses | None = None,
    ) -> None:
        self.connection = connection
        self.shard = shard
        self.shards = shards
        self.fence = fence
        self.owed = set(owed)
        self.losses = Losses() if losses is None else losses
        self._transaction = ComputeTransaction(connection)
        self.check = self._transaction.check

    @abstractmethod
    def cursor(self) -> Cursor:
        """A cursor that sees the latest committed state."""

    @abstractmethod
    def ask(self, *queries: Query) -> list[list[Any]]:
        """The rows of several queries, for one wait."""

    @abstractmethod
    def writing(self, last: bool) -> AbstractContextManager[Cursor]:
        """The write transaction, as a cursor; with ``last`` the cursor of the log moves in it.

        Raises:
            Fenced: the shard is not ours any more.
        """

    @abstractmethod
    def record(self, failed: Sequence[Failure]) -> Mapping[str, Try]:
        """Keep that these failed, apart from what else is written; else they are ``owed``.

        Returns:
            by key, what comes next; nothing of what could not be kept.
        """

    @abstractmethod
    def forget(self, settled: Sequence[Address]) -> None:
        """These are no failures any more; if that cannot be written, they are tried once more."""

    def owns(self, key: str) -> bool:
        """Whether a key is of the batch's shard."""
        return self.shards == 1 or shard_of(key, self.shards) == self.shard

    def recover(self, keys: Sequence[str] = ()) -> None:
        """Make the computing transaction usable again after an error in it.

        Args:
            keys: that were computed.
        """
        try:
            self._transaction.recover(keys)
        except OperationalError:
            self.losses.happened(keys)
            raise

    def attempt(self, name: str, call: Callable[[], T], /) -> T:
        """The answer of user code: see ``user_calls``. Raises CallFailedError, OperationalError."""
        try:
            if self.losses.any:
                self.losses.admit([name], alone=True)
            answer = call()
            self.check()  # the user's code may have kept the loss to itself
        except Exception as error:
            self.recover([name])
            raise CallFailedError(name) from error
        return answer

    @abstractmethod
    def breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life, if one is due; there may be none for so long."""

    @abstractmethod
    def stored(self, keys: Sequence[str], written: Written) -> None:
        """The entries of these keys have just been changed: for who follows the store.

        Args:
            written: gives those of them that were written.
        """

    def locked(self, addresses: Sequence[Address]) -> set[str]:
        """The keys of those of these addresses whose rows somebody else has locked."""
        return set()

    def any_room(self, keys: int) -> bool:
        """Whether a batch has room for so many stored keys of a product that is touched whole."""
        return True

    def defer(self, product: str) -> None:
        """Have the stored keys of a product handled by later batches."""
        raise NotImplementedError

    @property
    def due_by(self) -> datetime:
        """What was to be retried by then is due."""
        return clock.now()

    def due_query(self) -> Query:
        """Asks the keys whose retry is due."""
        return failures.due_query(
            registry.graph().fingerprints, self.shard, self.shards, settings.MAX_BATCH, self.due_by
        )

    def any_stored(self, product: Product) -> bool:
        """Whether anything of a product is stored."""
        with self.cursor() as cursor:
            return stores.current().table.any_stored(cursor, product.name)

    def readers(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        """Which keys were computed from these, each after the key that it was computed from."""
        with self.cursor() as cursor:
            return edges.readers(cursor, keys)
