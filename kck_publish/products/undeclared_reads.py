"""The linter of computes: which tables one reads that its product does not declare.

``compute`` runs each compute in it, under STRICT, in test runs and where DEBUG is on; elsewhere it
costs nothing. Its queries are not in Django's log of queries, which tests count. PostgreSQL itself
is asked, so raw SQL, views and functions are seen through: a relation that the compute has locked,
or scanned, has been read. A lock stays until the transaction ends and so hides what was read
before; a counter of scans does not, but a part of a plan that was never run has none. What either
tells is reported.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.conf import settings as django_settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from ..conf import settings
from ..exceptions import UndeclaredRead, UndeclaredReadWarning
from .product import Parameters, Product
from .strict import is_strict
from .suggested import lines_for
from .tables_read import difference, scans_of
from .undeclared_columns import Queries, declared_columns, undeclared_columns
from .unlogged_queries import UnloggedTransaction, unlogged

logger = logging.getLogger("kck_publish")


@dataclass
class _Watch:
    """One compute that is watched: what the computes of other products inside it have read."""

    inside: dict[str, int] = field(default_factory=dict)


_watch: ContextVar[_Watch | None] = ContextVar("kck_publish_watch", default=None)
_reported: set[tuple[str, str]] = set()
# Where what is refused is collected besides, by whichever thread.
_refused: list[UndeclaredRead] | None = None


class Observed(NamedTuple):
    """What one compute has read.

    Attributes:
        parameters: of the key; None for a pass over many.
        tables: what it has read itself, not the computes of other products inside it.
        undeclared: of these those that are not declared, and columns as ``table.column``.
        runs: by the text of a query, what each run was given.
    """

    product: Product
    parameters: Parameters | None
    tables: frozenset[str]
    undeclared: frozenset[str]
    runs: Mapping[str, Sequence[Any]]

    @property
    def name(self) -> str:
        """What messages call the product."""
        return f"{self.product.sender.__qualname__} ({self.product.name})"


# What is told of each compute, instead of a report of it.
_observer: ContextVar[Callable[[Observed], None] | None] = ContextVar(
    "kck_publish_observer", default=None
)


def linted() -> bool:
    """Whether computes are watched here."""
    return is_strict() or django_settings.DEBUG or _observer.get() is not None


@contextmanager
def refusals() -> Iterator[list[UndeclaredRead]]:
    """Collect what is refused meanwhile, by whichever thread: in a batch it fails only its key."""
    global _refused
    outer, _refused = _refused, []
    try:
        yield _refused
    finally:
        _refused = outer


@contextmanager
def observing(observer: Callable[[Observed], None]) -> Iterator[None]:
    """Watch all computes meanwhile, and tell what each has read instead of reporting it."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextmanager
def collecting() -> Iterator[dict[str, set[str]]]:
    """Watch all computes meanwhile, and collect what is not declared: by the product's name."""
    collected: dict[str, set[str]] = {}

    def collect(seen: Observed) -> None:
        if seen.undeclared:
            collected.setdefault(seen.name, set()).update(seen.undeclared)

    with observing(collect):
        yield collected


@contextmanager
def watched(product: Product, parameters: Parameters | None = None) -> Iterator[None]:
    """Run one compute of a product, and report what it reads without declaring it.

    Args:
        parameters: of the key, where it is the compute of one.

    Raises:
        UndeclaredRead: under STRICT, or in a test run.
    """
    connection = connections[settings.DATABASE] if linted() else None
    if connection is None or _is_lost(connection):
        yield
        return
    outer, mine = _watch.get(), _Watch()
    # In one transaction, so that what was locked stays locked until it is looked at.
    around = nullcontext() if connection.in_atomic_block else UnloggedTransaction(connection)
    columns = declared_columns(product)
    queries = Queries(lambda: _watch.get() is mine)
    with around:
        with unlogged(connection):
            before = scans_of(connection)
        token = _watch.set(mine)
        absent: ObjectDoesNotExist | None = None
        try:
            with queries.recording(connection):
                yield
        except ObjectDoesNotExist as error:  # an answer, too
            absent = error
        finally:
            _watch.reset(token)
        if _is_lost(connection):  # a query failed, and the compute has swallowed that
            if absent is not None:
                raise absent
            return
        with unlogged(connection):
            read = difference(scans_of(connection), before)
        if outer is not None:
            for table, scans in read.items():
                outer.inside[table] = outer.inside.get(table, 0) + scans
        with unlogged(connection):
            asked = set(undeclared_columns(connection, columns, queries))
    tables = frozenset(table for table, scans in read.items() if scans > mine.inside.get(table, -1))
    undeclared = frozenset((tables - declared(product)) | asked)
    _tell(Observed(product, parameters, tables, undeclared, queries.runs), connection)
    if absent is not None:
        raise absent


def declared(product: Product) -> frozenset[str]:
    """The tables that a product may read: those it depends on, and those in ``reads``."""
    names = set()
    for dependency in product.may_read:
        for model in (*dependency.models, *dependency.reads):
            tables = [model, *model._meta.all_parents]
            names |= {table._meta.db_table.rpartition('"."')[2] for table in tables}
    return frozenset(names)


def _is_lost(connection: BaseDatabaseWrapper) -> bool:
    """Whether nothing can be asked in this transaction any more."""
    raw = connection.connection
    failed = raw is not None and raw.info.transaction_status == TransactionStatus.INERROR
    return bool(failed or (connection.in_atomic_block and connection.needs_rollback))


def _tell(seen: Observed, connection: BaseDatabaseWrapper) -> None:
    """Report what is not declared, or hand it all to an observer."""
    observer = _observer.get()
    if observer is not None:
        observer(seen)
        return
    unknown = sorted(seen.undeclared)
    if is_strict():
        if not unknown:
            return
        error = UndeclaredRead(seen.name, unknown, _lines(seen, unknown, connection))
        if _refused is not None:
            _refused.append(error)
        raise error
    new = [table for table in unknown if (seen.product.name, table) not in _reported]
    _reported.update((seen.product.name, table) for table in new)
    for table in new:
        message = str(UndeclaredRead(seen.name, [table], _lines(seen, [table], connection)))
        logger.warning("%s", message)
        warnings.warn(message, UndeclaredReadWarning, stacklevel=2)


def _lines(seen: Observed, unknown: Sequence[str], connection: BaseDatabaseWrapper) -> list[str]:
    """The declarations to paste, as far as this one compute tells."""
    with unlogged(connection):
        return lines_for(seen.product, seen.parameters, seen.runs, unknown, connection)
