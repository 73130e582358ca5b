"""One size of ``growth`` in the near store: a file with its entries, in a process of its own."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import psycopg

from benchmarks.growth import BARE, NEAR, READ
from benchmarks.models import Leaflet
from benchmarks.peers import Contestants
from benchmarks.stocking import PRODUCT, entries

# The file may be so large, for each entry, and that it may be at least.
ROOM, LEAST = 2_048, 64 * 1024 * 1024
LONG = 24 * 3600.0


def contestants() -> Contestants:
    """What is measured."""
    from kck_publish.products import registry
    from kck_publish.stores.near.format import Lease, clock, name_of
    from kck_publish.stores.near.reader import reader
    from kck_publish.stores.near.writer import NearFile

    size, dice = int(os.environ["KCK_BENCH_KIND"]), random.Random(3)
    # As the follower writes it; nothing changes here, so one lease is long enough.
    file = NearFile(os.environ["KCK_BENCH_NEAR"], LEAST + size * ROOM)
    with psycopg.connect(os.environ["KCK_BENCH_DATABASE"], autocommit=True) as connection:
        for some in entries(connection):
            file.put(some)
        row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None
    assert len(file) == size
    lease = Lease(clock() + LONG, clock(), 0.0)
    file.put((), owner=replace(file.owner, done=row[0]), lease=lease)
    _held.append(file)
    fingerprint = registry.graph().products[PRODUCT].fingerprint
    near = reader(os.environ["KCK_BENCH_NEAR"])
    assert near.get(f"{PRODUCT}/1", fingerprint) is not None
    bare = near._env

    def get() -> object:
        return bare.begin().get(name_of(f"{PRODUCT}/{dice.randrange(size) + 1}", fingerprint))

    assert get() is not None
    return {
        f"{READ}, {NEAR}": {
            f"{size:,} products": lambda: Leaflet.cached.get(pk=dice.randrange(size) + 1)
        },
        f"{READ}, {BARE}": {f"{size:,} products": get},
    }


# Open as long as the process is.
_held: list[object] = []
