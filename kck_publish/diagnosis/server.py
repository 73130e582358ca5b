"""The server: its version, its clock, and the time that it gives to a statement."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connections

from ..conf import settings
from .registry import Asks, Problem, diagnosis

OLDEST = 15
# How far two clocks may be apart, in seconds: leases and expiries are compared with both.
APART = 1.0
_TIMEOUT = """
SELECT setting::bigint / 1000.0 FROM pg_settings WHERE name = 'statement_timeout'
"""


@diagnosis("version", Asks.DATABASE)
def old_version(alias: str) -> Iterator[Problem]:
    """A PostgreSQL that is older than what the library is tested with."""
    connections[alias].ensure_connection()
    version = connections[alias].connection.info.server_version // 10_000
    if version < OLDEST:
        yield Problem(
            "E012",
            f"This is PostgreSQL {version}, whose snapshots and triggers lack what is needed.",
            f"Use PostgreSQL {OLDEST} or a later one.",
        )


@diagnosis("clock", Asks.RUNNING)
def wrong_clock(alias: str) -> Iterator[Problem]:
    """A clock of this host that is not that of the database's server."""
    with connections[alias].cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (there,) = cursor.fetchone()
        after = time.time()
    apart = max(before - there, there - after)
    if apart > APART:
        yield Problem(
            "W013",
            f"The clock of this host and that of the database's are {apart:.0f} s apart: expiries "
            "and the lag are wrong by as much.",
            "Run NTP (chrony, systemd-timesyncd) on both.",
        )


@diagnosis("timeouts", Asks.RUNNING)
def short_timeouts(alias: str) -> Iterator[Problem]:
    """A statement_timeout that ends computes before their own time limit does."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_TIMEOUT)
        timeout = float(cursor.fetchone()[0])
    limit = settings.TIME_LIMIT
    if timeout and (limit is None or timeout < limit.total_seconds()):
        yield Problem(
            "W014",
            f"statement_timeout is {timeout:g} s for this role: a query of a compute that takes "
            "longer fails, and its key becomes a dead letter.",
            "For the listener's role: ALTER ROLE ... SET statement_timeout = 0; or let "
            "TIME_LIMIT be shorter.",
        )


@diagnosis("prepared transactions", Asks.DATABASE)
def prepared_transactions(alias: str) -> Iterator[Problem]:
    """A server that lets transactions be prepared, which no transaction can that has rung."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_setting('max_prepared_transactions')::integer")
        (most,) = cursor.fetchone()
    if most and settings.RING:
        yield Problem(
            "W030",
            f"max_prepared_transactions is {most}: PREPARE TRANSACTION fails for a transaction "
            "that has written a source while the listener slept, as it has to NOTIFY.",
            "If you prepare transactions, set KCK_PUBLISH['RING'] to False: listeners then poll. "
            "Else silence this check, or set max_prepared_transactions to 0.",
        )
