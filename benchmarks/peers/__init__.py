"""What one would use to read instead, one module each, and ours beside them.

Each module says how it is configured: as its authors advise. ``contestants()`` gives what can be
measured of it, by task, or raises NotHereError. ``turns`` runs these modules in processes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

ROWS = 20_000
PKS = range(1, ROWS, 37)
"""What is read one at a time, in turn: 541 keys, so that no cache of one key helps."""

HUNDRED = list(range(1, ROWS, ROWS // 100))[:100]
PAGE = 7
"""Whose page is read."""

ORM, CACHEOPS = "Django ORM", "django-cacheops"
POSTGRES, PREPARED = "kck_publish, PostgreSQL", "kck_publish, PostgreSQL, prepared"
REDIS, NEAR = "kck_publish, Redis", "kck_publish, near"
DJANGO_REDIS, DJANGO_DATABASE = "Django's cache, Redis", "Django's cache, database"
LMDB = "floor: LMDB get, decode, build"

ONE, MANY, BYTES, DECODED = "one instance", "100 instances", "page, bytes", "page, decoded"
FOREVER = 30 * 24 * 3600

Contestants = dict[str, dict[str, Callable[[], object]]]
"""By task, by name: what is run."""


class NotHereError(Exception):
    """This peer cannot run here; the message says why."""


def some() -> Callable[[], int]:
    """The next key."""
    return cycle(PKS).__next__
