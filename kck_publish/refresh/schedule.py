"""Refreshing by the clock: ``refresh_every``. The listener keeps it, in a table.

A tick asks for the refresh of a product's keys through the log, in the transaction that moves its
``due_at`` on: so one listener does it, whichever comes first, and any shard's owner refreshes.
Ticks that were missed, while no listener ran, are caught up by one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connections, transaction
from django.utils.timezone import get_default_timezone

from .. import clock, stores
from ..conf import settings
from ..log import refreshes
from ..postgres import Cursor
from ..products import registry
from ..products.product import Product
from ..products.timetable import LONGEST_SPREAD, Timetable, timetable
from .errors import describe
from .paused_products import UNPAUSED

logger = logging.getLogger(__name__)

_KNOWN = "SELECT product, every, due_at FROM kck_publish_schedule WHERE product = ANY (%s)"
# Another listener may have planned it a moment ago; a declaration that has changed is planned anew.
# So is what was planned by a clock that has been put back since: it might not come for years.
_PLAN = """
INSERT INTO kck_publish_schedule AS s (product, every, due_at) VALUES (%s, %s, %s)
ON CONFLICT (product) DO UPDATE SET every = excluded.every, due_at = excluded.due_at
 WHERE s.every <> excluded.every OR s.due_at > excluded.due_at + interval '1 minute'
"""
# What no code declares any more, a long time after it would have been due.
_FORGET = """
DELETE FROM kck_publish_schedule WHERE product <> ALL (%s) AND due_at < %s - interval '30 days'
"""
# A paused product's ticks are missed, and caught up by one.
_DUE = f"""
SELECT product, due_at FROM kck_publish_schedule
 WHERE product = ANY (%s) AND due_at <= %s AND {UNPAUSED}
"""
_MOVE = """
UPDATE kck_publish_schedule SET due_at = %s, last_at = %s
 WHERE product = (SELECT product FROM kck_publish_schedule
                   WHERE product = %s AND due_at = %s FOR UPDATE SKIP LOCKED)
"""
_NEXT = f"""
SELECT min(due_at) FROM kck_publish_schedule WHERE product = ANY (%s) AND {UNPAUSED}
"""
# A key whose last refresh failed is tried again when its back-off has passed, not before.
_BACKING_OFF = "SELECT key FROM kck_publish_failure WHERE product = %s AND due_at > %s"
#: The fields of a plan.
PLAN = ("product", "every", "due_at", "last_at")
_PLANS = """
SELECT product, every, due_at, last_at FROM kck_publish_schedule
 WHERE product = ANY (%s) ORDER BY due_at, product
"""


def plan() -> None:
    """Give each product its first tick that has none yet, or one that is not by its timetable."""
    names = [product.name for product in _scheduled()]
    if not names:
        return
    # From the real time on: a test that travels finds the ticks due that it travels past.
    now = clock.now() - clock.moved()
    with connections[settings.DATABASE].cursor() as cursor:
        clock.aware(cursor).execute(_KNOWN, [names])
        known = {name: (every, due) for name, every, due in cursor.fetchall()}
        for product in _scheduled():
            table = timetable_of(product)
            latest = table.first(product.name, clock.now()) + timedelta(seconds=LONGEST_SPREAD)
            every, due = known.get(product.name, (None, latest))
            if every != str(table) or due > latest:
                first = table.first(product.name, now)
                cursor.execute(_PLAN, [product.name, str(table), first])
        cursor.execute(_FORGET, [names, now])


def tick() -> datetime | None:
    """Ask for the refreshes that are due; when the next one will be, or None for never."""
    names = [product.name for product in _scheduled()]
    if not names:
        return None
    now = clock.now()
    with connections[settings.DATABASE].cursor() as cursor:
        clock.aware(cursor).execute(_DUE, [names, now])
        for name, due in cursor.fetchall():
            _tick(registry.get(name), due, now)
        cursor.execute(_NEXT, [names])
        found: datetime | None = cursor.fetchone()[0]
    return found


def _tick(product: Product, due: datetime, now: datetime) -> None:
    alias = settings.DATABASE
    following = timetable_of(product).following(product.name, due, now)
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(_MOVE, [following, now, product.name, due])
        if cursor.rowcount == 0:
            return  # another listener has done it
        wanted = _keys(product, cursor)
        cursor.execute(_BACKING_OFF, [product.name, now])
        waiting = {key for (key,) in cursor.fetchall()}
        keys = [key for key in wanted if key not in waiting]
        refreshes.log(cursor, refreshes.REFRESH, keys)
    logger.debug("tick of %s: %d keys, the next at %s", product.name, len(keys), following)


def _keys(product: Product, cursor: Cursor) -> Iterable[str]:
    """The domain, if there is one that can be had; else what is stored."""
    try:
        with transaction.atomic(using=settings.DATABASE):
            members = product.members()
            if members is not None:
                return [product.key_of(parameters) for parameters in members]
    except Exception as error:  # noqa: BLE001 - the user's domain()
        logger.error(
            "domain() of %s failed (%s): its stored keys are refreshed. %s",
            product.name,
            type(error).__name__,
            describe(error),
        )
    return stores.current().table.keys(cursor, product.name, product.fingerprint)


def plans(cursor: Cursor, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The schedule of these products, or of all: ``every``, ``due_at``, ``last_at``."""
    wanted = [product.name for product in _scheduled()] if names is None else list(names)
    if not wanted:
        return []
    clock.aware(cursor).execute(_PLANS, [wanted])
    return [dict(zip(PLAN, row, strict=True)) for row in cursor.fetchall()]


def timetable_of(product: Product) -> Timetable:
    """A product's timetable; cron strings are in TIME_ZONE."""
    return _timetable(product.refresh_every, get_default_timezone())


def _scheduled() -> list[Product]:
    return [
        product
        for product in registry.graph().products.values()
        if product.refresh_every is not None
    ]


_timetable = lru_cache(maxsize=1024)(timetable)
