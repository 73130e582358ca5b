"""One look of the auditor: what is stored, what a compute gives, and what still waits.

All three in one snapshot; ``judge`` decides what the looks mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import stores
from ..conf import settings
from ..exceptions import KeyParameterMismatch
from ..log.snapshot import Snapshot
from ..products import registry
from ..products.compute import compute
from ..products.product import Computed, Parameters, Product
from ..refresh.check_augment import alike
from ..refresh.compute_transaction import KEEP, ComputeTransaction
from ..refresh.forget_cached import begin_batch
from ..rows.products import RowProduct
from ..stores import HAND, Address, Stored
from .difference import Difference, difference
from .pending import pending


@dataclass(frozen=True)
class Finding:
    """The finding about one key.

    Attributes:
        kind: ``"different"``; ``"failing"`` (its compute raises); ``"behind"`` (its last refresh
            failed, and is tried again or a dead letter, or its product is paused);
            ``"waiting"`` (a change that touches it is not handled, so it cannot be judged).
        why: more about it; never a value.
        difference: of what is different, for whoever asks for values.
    """

    key: str
    kind: str
    why: str = ""
    difference: Difference | None = field(default=None, compare=False, repr=False)


def kept_by_time(product: Product) -> bool:
    """Whether the value is meant to be older than its inputs: those are outside the database."""
    return bool(product.soft_expire or product.hard_expire or product.refresh_every)


@dataclass
class Seen:
    """One look at some keys: the snapshot, and what is not as it should be, with its version."""

    snapshot: str
    findings: list[tuple[Finding, int]] = field(default_factory=list)


class AuditBatch:
    """The batch that an audit's computes run in: one snapshot, and nothing stored is trusted."""

    memory: dict[Any, Any] | None = None  # each key is computed by itself

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._fresh: dict[str, Computed] = {}
        transaction = ComputeTransaction(connection)
        self.recover, self.check = transaction.recover, transaction.check

    def admit(self, product: Product, parameters: Sequence[Parameters], alone: bool) -> None:
        """Each compute may begin: a look that is lost is not repeated."""

    def breathe(self, seconds: float = 0.0) -> None:
        """Nobody waits for an auditor."""

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """Another product as a compute sees it: a fresh compute of that product, too.

        But the stored value where that is meant, or known, to be another one.
        """
        if key not in self._fresh:
            with self._connection.cursor() as cursor:
                address = Address(key, product.fingerprint)
                entry = stores.current().look(cursor, [address]).entries.get(key)
            if entry is not None and (entry.by == HAND or entry.behind or kept_by_time(product)):
                return None
            (self._fresh[key],) = compute(product, [parameters], self)
        return self._fresh[key]


@contextmanager
def one_snapshot(connection: BaseDatabaseWrapper) -> Iterator[tuple[AuditBatch, str]]:
    """One snapshot for what is stored, for the log, and for the computes."""
    nested = connection.in_atomic_block
    begin_batch(connection.alias)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if not nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot = str(cursor.fetchone()[0])
        cursor.execute(KEEP)
        yield AuditBatch(connection), snapshot


def look_at(product: Product, keys: Sequence[str]) -> Seen:
    """Look at some keys of one product, in one snapshot."""
    connection, store = connections[settings.DATABASE], stores.current()
    with one_snapshot(connection) as (batch, snapshot):
        seen = Seen(snapshot)
        with connection.cursor() as cursor:
            addresses = [Address(key, product.fingerprint) for key in keys]
            entries = store.look(cursor, addresses).entries
        wanted: dict[str, Parameters] = {}
        for key in [key for key in keys if key in entries]:  # what was removed is not wrong
            try:
                wanted[key] = product.parameters_of(key)
            except KeyParameterMismatch:
                why = "the product has other parameters by now: raise its version"
                seen.findings.append((Finding(key, "failing", why), 0))
        computed_now = compute(product, list(wanted.values()), batch)
        fresh = {
            key: _storable(product, computed)
            for key, computed in zip(wanted, computed_now, strict=True)
        }
        doubtful = [
            key
            for key, computed in fresh.items()
            if entries[key].behind or not same(product, entries[key], computed)
        ]
        if not doubtful:
            return seen
        waiting = pending(connection, registry.graph(), batch.recover)
        for key in doubtful:
            entry, computed = entries[key], fresh[key]
            # Values outside the database are of now, not of the snapshot.
            later = not Snapshot.parse(seen.snapshot).includes(Snapshot.parse(entry.stamp))
            waits = later or waiting.waits(product, wanted[key], entry)
            seen.findings.append((_finding(product, entry, computed, waits), entry.version))
    return seen


def _finding(product: Product, entry: Stored, computed: Computed, waits: bool) -> Finding:
    key = entry.address.key
    if entry.behind:
        known = computed.error is not None or same(product, entry, computed)
        parts = None if known else difference(product, entry, computed)
        return Finding(key, "behind", "its last refresh failed, or it is paused", parts)
    if computed.error is not None:
        return Finding(key, "failing", f"its compute raises {type(computed.error).__name__}")
    if waits:
        return Finding(key, "waiting", "a change that touches it is not yet handled")
    parts = difference(product, entry, computed)
    if computed.absent is not None and entry.body is not None:
        return Finding(key, "different", "should not exist", parts)
    return Finding(key, "different", "was set by hand" if entry.by == HAND else "", parts)


def _storable(product: Product, computed: Computed) -> Computed:
    """The value itself; or, if it cannot be stored, the error that says so."""
    try:
        if computed.error is None and computed.absent is None:
            computed.encoded(product)
    except Exception as error:  # noqa: BLE001 - Unserializable, or the encoder of a user's product
        return Computed(error=error)
    return computed


def same(product: Product, entry: Stored, computed: Computed) -> bool:
    """Whether a stored entry holds what a compute gave."""
    if computed.error is not None:
        return False
    if computed.absent is not None:
        kept = product.keeps_absence and entry.body is None
        return kept and entry.shape == product.absence_shape(computed.absent)
    if entry.body is None:
        return False
    body, shape = computed.encoded(product)
    if (body, shape) == (entry.body, entry.shape):
        return True
    if isinstance(product, RowProduct):
        return False  # instances are equal by their pk alone
    # The same value in another order of its dict's keys: an augment, or a query without order.
    return alike(product.plain_value(entry.body, entry.shape), product.plain_value(body, shape))
