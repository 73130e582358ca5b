"""The locks by which readers that miss one key compute it once: advisory, of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..log.keys import identify
from ..log.snapshot import CURRENT, NOTHING, without_own
from ..products.product import Product
from ..products.time_limit import LATE, seconds_of
from ..stores import Query
from ..stores.arrays import numbers

# Our own namespace of advisory locks (the two-integer form).
_LOCKS = "'kck_publish_entry'::regclass::oid::int"
# The state comes along: what is computed afterwards is of it or of a later one.
_TRY = f"""
SELECT pg_try_advisory_xact_lock({_LOCKS}, lock), {CURRENT}
  FROM unnest(%s::int[]) AS lock
"""
_WAIT = f"SELECT pg_advisory_xact_lock_shared({_LOCKS}, lock) FROM unnest(%s::int[]) AS lock"
_LOCKED, _DEADLOCK = "55P03", "40P01"


def try_query(keys: Sequence[str]) -> Query:
    """Locks those keys that nobody else computes, and tells the state before; see ``locked_in``."""
    return _TRY, [numbers(map(lock_of, keys))]


def locked_in(keys: Sequence[str], rows: Sequence[Any]) -> tuple[list[str], str]:
    """The keys that the rows of ``try_query`` say to be locked, and the state before."""
    mine = [key for key, (ours, *_) in zip(keys, rows, strict=True) if ours]
    return mine, without_own(*rows[0][1:]) if rows else NOTHING


def wait(product: Product, keys: Iterable[str], connection: BaseDatabaseWrapper) -> bool:
    """Until those who compute these keys have ended; all who wait go on at once.

    Nothing is held afterwards.

    Returns:
        False: they take longer than they may, and cannot be cut off where they are; or they wait
        for this transaction.
    """
    seconds = seconds_of(product.time_limit)
    alias = connection.alias
    try:
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            if seconds is not None:
                timeout = max(1, round((seconds + LATE) * 1000))
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(timeout)])
            cursor.execute(_WAIT, [numbers(sorted(map(lock_of, keys)))])
            transaction.set_rollback(True, using=alias)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") not in (_LOCKED, _DEADLOCK):
            raise
        return False
    return True


def lock_of(key: str) -> int:
    """The key's advisory lock: 32 bits of its digest, signed."""
    return int.from_bytes(bytes.fromhex(identify(key)[:8]), "big", signed=True)
