"""One size of ``growth``: a database with so many stored products, in a process of its own."""

from __future__ import annotations

import os
import random

import psycopg

from benchmarks.batches import Batches
from benchmarks.growth import CHANGE, READ
from benchmarks.models import Leaflet
from benchmarks.peers import Contestants


def contestants() -> Contestants:
    """What is measured."""
    size, dice = int(os.environ["KCK_BENCH_KIND"]), random.Random(3)
    writer = psycopg.connect(os.environ["KCK_BENCH_DATABASE"], autocommit=True)
    writer.execute("SET synchronous_commit = off")
    listener, name = Batches(), f"{size:,} products"
    listener.next()

    def change() -> None:
        pk = dice.randrange(size) + 1
        writer.execute("UPDATE benchmarks_leaflet SET pages = pages + 1 WHERE id = %s", [pk])
        listener.next()

    return {
        CHANGE: {name: change},
        READ: {name: lambda: Leaflet.cached.get(pk=dice.randrange(size) + 1)},
    }
