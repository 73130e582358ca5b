"""The linter of computes: which tables one reads that its product does not declare.

``compute`` runs each compute in it, under STRICT and where DEBUG is on; elsewhere it costs
nothing. PostgreSQL itself is asked, so raw SQL, views and functions are seen through: a relation
that the compute has locked, or scanned, has been read. A lock stays until the transaction ends and
so hides what was read before; a counter of scans does not, but a part of a plan that was never run
has none. What either tells is reported.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.conf import settings as django_settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from ..conf import settings
from ..exceptions import UndeclaredRead, UndeclaredReadWarning
from .product import Product
from .undeclared_columns import Queries, declared_columns, undeclared_columns

logger = logging.getLogger("kck_publish")

# Of each table that the transaction has read so far, how often it was scanned. A partition counts
# as its table. (A view is seen by the tables under it; a materialized view is a table that nobody
# captures.)
_READ = """
SELECT coalesce(top.relname, c.relname),
       sum(pg_stat_get_xact_numscans(c.oid) + coalesce((
           SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index
            WHERE indrelid = c.oid), 0))
  FROM (SELECT DISTINCT relation FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype = 'relation'
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND mode IN ('AccessShareLock', 'RowShareLock')) l
  JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'f')
  LEFT JOIN pg_class top ON c.relispartition AND top.oid = pg_partition_root(c.oid)
 WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
   AND NOT starts_with(c.relname, 'kck_publish_') AND c.relname <> 'django_content_type'
 GROUP BY 1
"""

# Scans by table.
Scans = Mapping[str, int]


@dataclass
class _Watch:
    """One compute that is watched: what the computes of other products inside it have read."""

    inside: dict[str, int] = field(default_factory=dict)


_watch: ContextVar[_Watch | None] = ContextVar("kck_publish_watch", default=None)
_told: set[tuple[str, str]] = set()
# Where what is found is to be collected, by product, instead of being reported.
_collected: ContextVar[dict[str, set[str]] | None] = ContextVar("kck_publish_read", default=None)


def linted() -> bool:
    """Whether computes are watched here."""
    return settings.STRICT or django_settings.DEBUG or _collected.get() is not None


@contextmanager
def collecting() -> Iterator[dict[str, set[str]]]:
    """Watch all computes meanwhile, and collect what they read: by the product's name."""
    collected: dict[str, set[str]] = {}
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


@contextmanager
def watched(product: Product) -> Iterator[None]:
    """Run one compute of a product, and report what it reads without declaring it.

    Raises:
        UndeclaredRead: under STRICT.
    """
    connection = connections[settings.DATABASE] if linted() else None
    if connection is None or _is_lost(connection):
        yield
        return
    outer, mine = _watch.get(), _Watch()
    # In one transaction, so that what was locked stays locked until it is looked at.
    around = nullcontext() if connection.in_atomic_block else transaction.atomic(connection.alias)
    columns = declared_columns(product)
    queries = Queries(lambda: _watch.get() is mine)
    recording = queries.recording(connection) if columns else nullcontext()
    with around:
        before = _scans(connection)
        token = _watch.set(mine)
        absent: ObjectDoesNotExist | None = None
        try:
            with recording:
                yield
        except ObjectDoesNotExist as error:  # an answer, too
            absent = error
        finally:
            _watch.reset(token)
        if _is_lost(connection):  # a query failed, and the compute has swallowed that
            if absent is not None:
                raise absent
            return
        read = _difference(_scans(connection), before)
        if outer is not None:
            for table, scans in read.items():
                outer.inside[table] = outer.inside.get(table, 0) + scans
        asked = set(undeclared_columns(connection, columns, queries))
    tables = {table for table, scans in read.items() if scans > mine.inside.get(table, -1)}
    _report(product, (tables - declared(product)) | asked)
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


def _scans(connection: BaseDatabaseWrapper) -> Scans:
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        return {table: int(scans) for table, scans in cursor.fetchall()}


def _difference(after: Scans, before: Scans) -> Scans:
    """What was read in between, with how often; what was only planned with 0."""
    return {
        table: scans - before.get(table, 0)
        for table, scans in after.items()
        if table not in before or scans > before[table]
    }


def _report(product: Product, undeclared: set[str]) -> None:
    unknown = sorted(undeclared)
    if not unknown:
        return
    name = f"{product.sender.__qualname__} ({product.name})"
    if (collected := _collected.get()) is not None:
        collected.setdefault(name, set()).update(unknown)
        return
    if settings.STRICT:
        raise UndeclaredRead(name, unknown)
    new = [table for table in unknown if (product.name, table) not in _told]
    _told.update((product.name, table) for table in new)
    for table in new:
        message = str(UndeclaredRead(name, [table]))
        logger.warning("%s", message)
        warnings.warn(message, UndeclaredReadWarning, stacklevel=2)
