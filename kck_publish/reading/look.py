"""The look of a reader that has missed: it locks the keys, and sees what others have stored.

Both go in one message, the first of a prime with its transaction's BEGIN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock
from ..products.product import Product
from ..stores import Address, Query, Store, Stored, pipelined
from . import key_locks
from .freshness import expired

_REPEATABLE_READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"


class Look(NamedTuple):
    """What a reader has found.

    Attributes:
        mine: the keys that nobody else computes: they are locked.
        stamp: the state before.
        there: of these keys, what others have stored since they were missed.
        late: the addresses of what is stored and has expired.
    """

    mine: Sequence[str]
    stamp: str
    there: Mapping[str, Stored]
    late: Sequence[Address]


def begin(
    product: Product, keys: Sequence[str], store: Store, connection: BaseDatabaseWrapper
) -> Look:
    """Lock and look as the first thing in Django's block; an augmentable product sees one state."""
    alone = product.augmentable and not connection.savepoint_ids
    if not pipelined.may_begin(connection):
        if alone:
            with connection.cursor() as cursor:
                cursor.execute(_REPEATABLE_READ)
        return within(product, keys, store, connection)
    statement = pipelined.REPEATABLE_READ if alone else pipelined.BEGIN
    queries = _queries(product, keys, store)
    return _look(
        product, keys, store, connection, pipelined.begin(connection, [statement], *queries)
    )


def within(
    product: Product, keys: Sequence[str], store: Store, connection: BaseDatabaseWrapper
) -> Look:
    """Lock and look in a transaction that has begun."""
    queries = _queries(product, keys, store)
    if pipelined.is_possible(connection):
        answers = pipelined.ask(connection, *queries)
    else:
        answers = [_rows(connection, query) for query in queries]
    return _look(product, keys, store, connection, answers)


def stored_meanwhile(
    product: Product, keys: Iterable[str], store: Store, connection: BaseDatabaseWrapper
) -> tuple[dict[str, Stored], list[Address]]:
    """The entries stored by others since the miss, and the addresses with expired entries."""
    with connection.cursor() as cursor:
        return _usable(store.meanwhile(cursor, _addresses(product, keys)))


def _queries(product: Product, keys: Sequence[str], store: Store) -> list[Query]:
    queries = [key_locks.try_query(keys)]
    if store.rows_hold_values:
        queries.append(store.previous_query(_addresses(product, keys)))
    return queries


def _look(
    product: Product,
    keys: Sequence[str],
    store: Store,
    connection: BaseDatabaseWrapper,
    answers: Sequence[list[Any]],
) -> Look:
    mine, stamp = key_locks.locked_in(keys, answers[0])
    if not mine:
        return Look(mine, stamp, {}, [])
    if len(answers) == 1:
        return Look(mine, stamp, *stored_meanwhile(product, mine, store, connection))
    entries = store.previous_in(answers[1], _addresses(product, keys)).entries
    ours = set(mine)
    return Look(mine, stamp, *_usable({key: entries[key] for key in entries if key in ours}))


def _usable(entries: Mapping[str, Stored]) -> tuple[dict[str, Stored], list[Address]]:
    late = [stored.address for stored in entries.values() if expired(stored)]
    return {key: stored for key, stored in entries.items() if not expired(stored)}, late


def _addresses(product: Product, keys: Iterable[str]) -> list[Address]:
    return [Address(key, product.fingerprint) for key in keys]


def _rows(connection: BaseDatabaseWrapper, query: Query) -> list[Any]:
    with connection.cursor() as cursor:
        clock.aware(cursor).execute(*query)
        return list(cursor.fetchall())
