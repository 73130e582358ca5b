"""Products of a remote source, with a soft expiry, and slow ones; their computes are counted.

Only processes that the acceptance tests start know these: see ``clocked_settings``.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from django.db import connection

from kck_publish import Depends, HttpSource, Primer, RemotePrimer, Retry
from kck_publish.postgres import connect

# Held by a test that wants the computes of ``Slow`` to wait.
LOCK = 77


def count(name: str) -> int:
    """Note a compute, whatever becomes of its transaction; the how many-th it is."""
    with connect("default") as own:
        own.execute("INSERT INTO clocked_compute (name) VALUES (%s)", [name])
        row = own.execute("SELECT count(*) FROM clocked_compute WHERE name = %s", [name]).fetchone()
    return int(row[0]) if row else 0


class Rates(RemotePrimer):
    key = "rates"
    source = HttpSource(os.environ.get("CLOCKED_URL", "http://127.0.0.1:1/"), timeout=5)
    refresh_every = timedelta(seconds=0.3)
    retry = Retry(max_retries=-1, delay=timedelta(seconds=0.2))
    eager = True


class RatesTotal(Primer):
    key = "rates_total"
    depends_on = [Depends("rates")]
    eager = True

    def compute(self) -> Any:
        count("rates_total")
        return sum(Rates.cached.get().values())


class Soft(Primer):
    key = "soft"
    soft_expire = timedelta(seconds=2)

    def compute(self) -> int:
        return count("soft")


class Slow(Primer):
    key = "slow"

    def compute(self) -> int:
        found = count("slow")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK])
        return found
