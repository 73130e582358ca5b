"""Measures the lag: commits a change, and waits until the stored product shows it.

    python -m tests.soak.prober

What each took goes to the file `lags`, in seconds. The change is written by a session of its own,
so that the reader is nobody who has written. With a near store, what is read is held to its bound.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import psycopg

from tests.soak.children import Orders, die_with_parent

if TYPE_CHECKING:
    from tests.soak.bound import Bound

# Longer than this is for the quiet points to find.
PATIENCE = 60.0


def measure(raw: psycopg.Connection[Any], probe: int, bound: Bound | None) -> float | None:
    """Seconds from the commit until the product shows it."""
    from kck_publish import Cache
    from kck_publish.stores.near.format import clock

    row = raw.execute(
        "UPDATE soak_probe SET count = count + 1 WHERE id = %s RETURNING count", [probe]
    ).fetchone()
    start = time.monotonic()
    while time.monotonic() < start + PATIENCE:
        asked = clock()
        found = Cache.get_instance().get(f"probe/{probe}")
        if bound is not None:
            bound.check(asked, found)
            bound.look()
        if row is not None and found >= row[0]:
            return time.monotonic() - start
        time.sleep(0.002)
    return None


def main() -> None:
    """The process."""
    die_with_parent()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")
    django.setup()
    from django.db import Error, connection

    from tests.soak.bound import Bound

    bound = Bound("probe/1") if os.environ.get("SOAK_NEAR") else None
    orders, chance = Orders(), random.Random(0)
    raw: psycopg.Connection[Any] | None = None
    lags = os.open(
        Path(os.environ["SOAK_FOLDER"]) / "lags", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
    )
    while not orders.ending:
        if orders.pausing:
            if raw is not None:
                raw.close()
            raw = None
            connection.close()
            orders.rest()
            continue
        try:
            if raw is None:
                raw = psycopg.connect(
                    os.environ["SOAK_DSN"],
                    autocommit=True,
                    connect_timeout=10,
                    prepare_threshold=None,
                )
            if (lag := measure(raw, 1, bound)) is not None:
                os.write(lags, f"{lag:.6f}\n".encode())
        except (Error, psycopg.Error):
            if raw is not None:
                with suppress(psycopg.Error):
                    raw.close()
            raw = None
            connection.close()
            if bound is not None:
                bound.forget()
            time.sleep(0.02)
        time.sleep(chance.random() * 0.1)


if __name__ == "__main__":
    main()
