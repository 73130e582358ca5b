"""A page of the backlog, which a batch takes along. Between ``refresh.backlog`` and ``batch``.

The parts of the backlog take turns, and a page is as large as half a second's work, so that the
changes that came meanwhile never wait for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from .. import stores
from ..products import registry
from ..refresh.backlog import Deferred
from ..refresh.batch import Batch
from .session import BatchSession

# What a page is meant to take, in seconds, and how few rows or keys it has at the least.
SECONDS, LEAST = 0.5, 50


def turn(backlog: Sequence[Deferred], last: int) -> Deferred | None:
    """The next part: each in turn has a page handled; of a product's stored keys, the first.

    So what was put aside again meanwhile waits, unbegun, and can be added to.
    """
    firsts: dict[object, Deferred] = {}
    for deferred in backlog:
        firsts.setdefault((deferred.name if deferred.stored else deferred.id), deferred)
    waiting = list(firsts.values())
    return next(
        (deferred for deferred in waiting if deferred.id > last), waiting[0] if waiting else None
    )


def paced(pace: int, seconds: float, most: int) -> int:
    """The size of the next page, after a page of this size that took so long."""
    factor = min(2.0, SECONDS / max(seconds, 0.001))
    return min(most, max(LEAST, int(pace * factor)))


def take(part: Deferred, limit: int, session: BatchSession, batch: Batch) -> Deferred:
    """Add what a page touches to a batch.

    Returns:
        the part, with what is to be remembered of it.
    """
    return (_take_keys if part.stored else _take_rows)(part, limit, session, batch)


def _take_rows(part: Deferred, limit: int, session: BatchSession, batch: Batch) -> Deferred:
    """A page of a source's changes.

    Products that the part has touched as a whole are refreshed once: the snapshot of their refresh
    includes all rows of the part, no matter for which row.
    """
    work, rows = batch.work, part.rows(session.connection, limit)
    batch.collect(rows)
    work.changes += not rows
    session.at_last(part.after_rows(rows, limit))
    work.whole = {name: [{}] for name in work.whole if name not in part.spread}
    return replace(part, spread=part.spread | work.whole.keys())


def _take_keys(part: Deferred, limit: int, session: BatchSession, batch: Batch) -> Deferred:
    """A page of a product's stored keys."""
    product, work = registry.graph().products.get(part.name), batch.work
    page: list[tuple[UUID, str]] = []
    if product is not None:  # else this code does not know it any more
        with session.cursor() as cursor:
            page = stores.current().table.page(
                cursor, product.name, product.fingerprint, part.digest, limit
            )
        for _, key in page:
            parameters = product.parameters_if_known(key) if session.owns(key) else None
            if parameters is not None:
                work.touch(product, key, parameters)
        if len(page) < limit:
            work.swept.append(product.name)
    work.changes += max(1, len(page))
    session.at_last(part.after_keys([digest for digest, _ in page], limit))
    return part
