"""Loads the example's data by COPY, in one transaction. Used by ``load_flights`` and the demo."""

import csv
import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connections, models, transaction
from psycopg.sql import SQL, Identifier

from .models import Airline, Airport, Flight, Plane

DATA = Path(__file__).parent / "data"
NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2013, 1, 31)
PROGRESS_STEP = 500  # rows

Row = tuple[Any, ...]
Progress = Callable[[int, int], None]  # rows loaded, rows in all


class AlreadyLoadedError(RuntimeError):
    """There are flights in the database: pass ``replace=True`` (``--replace``) to load anew."""


def load(
    progress: Progress = lambda done, total: None, *, replace: bool = False, using: str = "default"
) -> dict[str, int]:
    """Load all airlines, airports, planes and flights; return how many rows of each table.

    ``progress`` is called every few hundred rows. Raises AlreadyLoadedError when there are flights,
    unless ``replace``, which truncates the four tables first, in the same transaction.
    """
    tables = list(_tables())
    names = SQL(", ").join(Identifier(model._meta.db_table) for model, _, _ in tables)
    total = sum(len(rows) for _, _, rows in tables)
    done = 0
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        if replace:
            cursor.execute(SQL("TRUNCATE {} RESTART IDENTITY").format(names))
        elif Flight.objects.using(using).exists():
            raise AlreadyLoadedError("There are flights already: use --replace to load anew.")
        for model, columns, rows in tables:
            into = Identifier(model._meta.db_table), SQL(", ").join(map(Identifier, columns))
            with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(*into)) as copy:
                for row in rows:
                    copy.write_row(row)
                    done += 1
                    if done % PROGRESS_STEP == 0:
                        progress(done, total)
        progress(total, total)
    with connections[using].cursor() as cursor:
        # Outside the transaction, as a good bulk load does: the planner knows the tables at once.
        cursor.execute(SQL("ANALYZE {}").format(names))
    return {model.__name__: len(rows) for model, _, rows in tables}


def _tables() -> Iterator[tuple[type[models.Model], list[str], list[Row]]]:
    """The tables in an order that foreign keys allow: model, columns, rows."""
    yield Airline, ["code", "name"], [(r["carrier"], r["name"]) for r in _read("airlines")]
    yield Airport, ["faa", "name"], [(r["faa"], r["name"]) for r in _read("airports")]
    planes = [
        (r["tailnum"], _whole(r["year"]), r["manufacturer"], r["model"], _whole(r["seats"]))
        for r in _read("planes")
    ]
    yield Plane, ["tailnum", "year", "manufacturer", "model", "seats"], planes
    columns = ["day", "scheduled", "carrier_id", "number", "plane_id", "origin_id"]
    columns += ["destination_id", "dep_delay", "arr_delay", "air_time", "distance"]
    yield Flight, columns, [_flight(r) for r in _read("flights")]


def _flight(row: dict[str, str]) -> Row:
    local = datetime.fromisoformat(row["scheduled"]).replace(tzinfo=NEW_YORK)
    return (
        local.date(),
        local.astimezone(UTC),
        row["carrier"],
        int(row["number"]),
        row["tailnum"] or None,
        row["origin"],
        row["destination"],
        _whole(row["dep_delay"]),
        _whole(row["arr_delay"]),
        _whole(row["air_time"]),
        int(row["distance"]),
    )


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _read(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
