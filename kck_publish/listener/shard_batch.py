"""Following the log: whether there is anything to do for a shard, and one batch of it.

``worker`` calls it again and again; ``refresh`` does the work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock, stores
from ..conf import settings
from ..exceptions import StoreUnreachable
from ..log.reader import ANY_UNSEEN, FETCH, FIRST, FIRST_UNSEEN, MORE_UNSEEN, unseen
from ..log.snapshot import NOTHING
from ..postgres import Asked, is_locked, is_passing
from ..products import registry
from ..products.domain import pages
from ..products.product import Product
from ..refresh import backlog, paused_products
from ..refresh.backlog import Deferred
from ..refresh.batch import Batch
from ..refresh.compute_transaction import BACK, KEEP, ComputeTransaction
from ..refresh.errors import describe
from ..refresh.forget_cached import begin_batch
from ..refresh.log_span import Span
from ..refresh.lost_connections import Losses
from ..refresh.outcome import Outcome
from ..refresh.tasks import Work
from ..round_trip import answers
from ..stores import Address, pipelined
from . import backlog_page
from .claim import Claim
from .session import BatchSession, Tell
from .shard import OwnedShard, owner

logger = logging.getLogger(__name__)

# After a failure that could not be written nothing is retried for so long.
UNWRITTEN = timedelta(seconds=1)

# The plan of the look at the log is kept. It is often made while the log is small, when a scan of
# the whole seems cheapest; the user's computes are planned as ever, after ``BACK``.
_SNAPSHOT = "SELECT pg_current_snapshot()::text, now(), set_config('enable_seqscan', 'off', true)"
_LEVEL = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_WAITS = f"""
SELECT coalesce(({ANY_UNSEEN}), false)
    OR EXISTS (SELECT FROM kck_publish_failure WHERE due_at <= %(now)s
                  AND fingerprint = ANY (%(mine)s) AND bucket %% %(shards)s = %(shard)s
                  AND {paused_products.UNPAUSED})
"""


def waits(desk: psycopg.Connection[Any], place: OwnedShard) -> bool:
    """Whether there is anything to do for a shard."""
    if place.backlog:
        return True
    (((is_waiting,),),) = answers(desk, [waits_query(place)])
    return bool(is_waiting)


def waits_query(place: OwnedShard) -> Asked:
    """Asks whether there is anything new, or due, for a shard."""
    return _WAITS, {
        "since": place.done,
        "now": place.due_by,
        "mine": registry.graph().fingerprints,
        "shard": place.shard,
        "shards": place.shards,
    }


def batch(
    desk: psycopg.Connection[Any],
    place: OwnedShard,
    first: Work | None = None,
    owed: bool = False,
    breathe: Callable[..., None] = lambda seconds=0.0: None,
    stored: Tell = lambda keys, written: None,
    losses: Losses | None = None,
) -> tuple[OwnedShard, Outcome]:
    """Handle everything committed so far that the shard has not seen, and a page of its backlog.

    Args:
        desk: the worker's own connection, in autocommit.
        place: the shard and its cursor.
        first: work to do beside what the log says.
        owed: whether to try again what is owed.
        breathe: gives a sign of life, if one is due; called again and again.
        stored: is told of the entries that were just changed.
        losses: of the connection, by key; from batch to batch.

    Returns:
        the new place, and what was done.

    Raises:
        Fenced: the shard has moved to another worker; nothing was written.
    """
    connection = connections[settings.DATABASE]
    begin_batch(connection.alias)
    start = time.monotonic()
    with transaction.atomic(using=settings.DATABASE):
        until, at, rows = _open(connection, place.done)
        part = backlog_page.turn(place.backlog, place.turn)
        # Claimed before anybody looks which keys are stored: see prime.
        claim = Claim(desk, place, until)
        session = BatchSession(claim, connection, at, breathe, part, stored, losses)
        aside = backlog.flood(connection, place.done, rows, FETCH, settings.MAX_CHANGES)
        session.at_last(*backlog.put_aside(place.shard, place.done, until, aside))
        changes = Batch(session, _span(place, until, aside), place.echoes)
        if part is not None:
            part = backlog_page.take(part, place.pace, session, changes)
        changes.collect(unseen(connection, place.done, rows, aside))
        _add_first(changes.work, first)
        for key in _to_retry(place, session) if owed else ():
            changes.request(key, "retry")
        outcome = changes.run()
    place = replace(
        place,
        done=until,
        floor=NOTHING,
        owed=frozenset(session.owed),
        echoes=changes.echoes(),
        # Else what is due still would be computed again and again, until it can be written.
        retries_from=clock.after(UNWRITTEN) if session.has_unwritten else place.retries_from,
    )
    return _with_backlog(place, desk, session, part, time.monotonic() - start), outcome


def _to_retry(place: OwnedShard, session: BatchSession) -> set[str]:
    """The keys that are owed, without those whose rows are still locked: each would take a wait."""
    products = {key: registry.find(key) for key in place.owed}
    addresses = [Address(key, product.fingerprint) for key, product in products.items() if product]
    return set(place.owed) - (session.locked(addresses) if addresses else set())


def _span(place: OwnedShard, until: str, aside: Iterable[str]) -> Span:
    behind = backlog.behind(registry.graph(), place.backlog, aside, until)
    return Span(place.done, until, place.floor, behind)


def _with_backlog(
    place: OwnedShard,
    desk: psycopg.Connection[Any],
    session: BatchSession,
    part: Deferred | None,
    seconds: float,
) -> OwnedShard:
    """The place with what is left of the backlog, after a page of a part took so long."""
    if part is not None:
        pace = backlog_page.paced(place.pace, seconds, settings.MAX_CHANGES)
        place = replace(place, turn=part.id, pace=pace)
    if session.puts_aside:
        known = [*place.backlog, *([part] if part else [])]
        place = replace(place, backlog=backlog.load(desk, place.shard, known))
    return place


def _open(connection: BaseDatabaseWrapper, since: str) -> tuple[str, datetime, list[Any]]:
    """Fix the batch's snapshot, and read what is new in it: one wait, on the way to the reader."""
    # now() is when the transaction began: all that was committed before is in the snapshot.
    queries: list[Asked] = [(_SNAPSHOT, []), (FIRST_UNSEEN, {"since": since}), (BACK, [])]
    if pipelined.may_begin(connection):
        statements = f"BEGIN {_LEVEL}", KEEP
        (found,), rows, _ = pipelined.begin(connection, statements, *queries)
    else:
        connection.connection.execute(f"SET TRANSACTION {_LEVEL}")
        connection.connection.execute(KEEP)
        (found,), rows, _ = pipelined.ask(connection, *queries)
    if len(rows) > FIRST:
        (rows,) = pipelined.ask(connection, (MORE_UNSEEN, {"since": since}))
    until, at, _ = found
    return until, at, rows


def domains(desk: psycopg.Connection[Any], place: OwnedShard, losses: Losses) -> Work:
    """What of the eager products' domains is not stored, and what is stored and has left them."""
    work = Work()
    with desk.cursor() as cursor:
        paused = paused_products.paused(cursor)
    for product in registry.graph().products.values():
        if product.eager and product.name in paused:
            work.domains[product.name] = None  # which the batch postpones
        elif product.eager:
            name = f"domain() of {product.name}"
            try:
                losses.admit([name], alone=True)
                for key in _unsettled(desk, place, product):
                    work.want(product, key, product.parameters_of(key), "domain")
                ComputeTransaction(connections[settings.DATABASE]).check()
            except StoreUnreachable:
                raise
            except Exception as error:  # the user's: the others are kept up
                if isinstance(error, (psycopg.Error, DatabaseError)) and not is_locked(error):
                    if is_passing(error):
                        if not desk.closed:
                            losses.happened([name])
                        raise
                    if isinstance(error, psycopg.Error):  # the desk's
                        raise
                logger.error("%s failed: %s", name, describe(error))
    return work


def _unsettled(desk: psycopg.Connection[Any], place: OwnedShard, product: Product) -> Iterator[str]:
    members = product.members()
    if members is None:
        return
    owns, store, fingerprint = owner(place), stores.current(), product.fingerprint
    with desk.cursor() as cursor:
        left = set(filter(owns, store.table.keys(cursor, product.name, fingerprint)))
        for keys in pages(product, members):
            mine = [Address(key, fingerprint) for key in keys if owns(key)]
            there = store.present(cursor, mine) if mine else set()
            yield from (address.key for address in mine if address.key not in there)
            left.difference_update(keys)
    yield from left


def _add_first(work: Work, first: Work | None) -> None:
    if first is not None:
        work.domains.update(first.domains)
        for name, patterns in first.whole.items():
            work.whole.setdefault(name, []).extend(patterns)
        for tasks in first.tasks.values():
            for key, task in tasks.items():
                work.want(task.product, key, task.parameters, task.reason)
