"""The demo's acts of writing: raw SQL from another connection, and when the reader sees it."""

from __future__ import annotations

import time

from kck_publish import Cache

from .demo_report import percentile, seconds, until
from .demo_stage import Stage
from .primers import CarrierPunctuality, DepartureBoard, NetworkRanking

CHANGES, AMENDED = 200, 1000
CARRIER = "UA"
DELAY = "UPDATE example_app_flight SET dep_delay = %s WHERE id = %s"
FLIGHTS = "SELECT id FROM example_app_flight WHERE origin_id = %s AND day = %s ORDER BY id"


def single_changes(stage: Stage) -> None:
    """Each commit, and how long until the cached board shows it."""
    stage.report.head(f"{CHANGES} changes, each committed by raw SQL from another connection")
    flights = [pk for (pk,) in stage.rows(FLIGHTS, "JFK", stage.day)]
    waits = []
    for n in range(CHANGES):
        delay = 1000 + n  # which no flight of that month had: the board shows this very change
        stage.writer.execute(DELAY, [delay, flights[n % len(flights)]])
        committed = time.perf_counter()
        _wait_for(stage, "JFK", f"Delayed {delay} min".encode())
        waits.append(time.perf_counter() - committed)
    p50, p99 = percentile(waits, 50), percentile(waits, 99)
    figures = f"p50 {seconds(p50)}, p99 {seconds(p99)}"
    stage.report.figure(f"from the commit until the cached board shows it: {figures}")
    stage.report.claim("every change was shown, 99 of 100 of them within a second", p99 < 1)


def rollback(stage: Stage) -> None:
    """What is rolled back is neither logged nor shown."""
    stage.report.head("A rollback")
    stage.drained()
    cache = Cache.get_instance()
    keys = {code: f"departure_board/{code}/{stage.day}" for code in ("JFK", "EWR")}
    before, logged = cache.entry(keys["JFK"]).version, _logged(stage)
    with stage.writer.transaction(force_rollback=True):
        cursor = stage.writer.execute(
            "UPDATE example_app_flight SET dep_delay = 555 WHERE origin_id = 'JFK' AND day = %s",
            [stage.day],
        )
        updated = cursor.rowcount
    ((flight,), *_) = stage.rows(FLIGHTS, "EWR", stage.day)
    stage.writer.execute(DELAY, [1999, flight])
    _wait_for(stage, "EWR", b"Delayed 1999 min")
    stage.drained()
    ours = _logged(stage) - logged
    stage.report.claim(f"{updated} updates rolled back: nothing of them in the log", ours == 1)
    after = cache.entry(keys["JFK"]).version
    stage.report.claim("a later commit is shown, and JFK's board was not touched", after == before)


def bulk(stage: Stage) -> None:
    """One statement over all flights of a day."""
    stage.report.head("A whole day changed by one statement")
    cursor = stage.writer.execute(
        "UPDATE example_app_flight SET dep_delay = 444 WHERE day = %s AND dep_delay IS NOT NULL",
        [stage.day],
    )
    committed = time.perf_counter()
    for airport in ("EWR", "JFK", "LGA"):
        _wait_for(stage, airport, b"Delayed 444 min")
    took = time.perf_counter() - committed
    stage.report.figure(f"{cursor.rowcount} flights, all three boards show it after", seconds(took))
    for airport in ("EWR", "JFK", "LGA"):
        shown = DepartureBoard.cached.get(airport=airport, day=stage.day)
        same = shown == DepartureBoard().compute(airport=airport, day=stage.day)
        stage.report.claim(f"{airport}'s board is what a compute gives", same)


def augment(stage: Stage) -> None:
    """A thousand commits amend a carrier's tally; it is never counted anew."""
    stage.report.head(f"{CARRIER}'s punctuality, amended by {AMENDED:,} commits")
    stage.drained()
    said, compute = stage.listener.said, f"compute carrier_punctuality/{CARRIER}"
    before, minutes = said[compute], CarrierPunctuality.cached.get(carrier=CARRIER)["dep_delay_sum"]
    flights = stage.rows(
        "SELECT dep_delay, id FROM example_app_flight "
        "WHERE carrier_id = %s AND dep_delay IS NOT NULL ORDER BY id LIMIT %s",
        CARRIER,
        AMENDED,
    )
    start = time.perf_counter()
    for delay, flight in flights:
        stage.writer.execute(DELAY, [delay + 7, flight])
    stage.drained()
    took = time.perf_counter() - start
    stage.report.figure("all written, amended and stored in", seconds(took))
    tally = CarrierPunctuality.cached.get(carrier=CARRIER)
    grown, anew = tally["dep_delay_sum"] - minutes, said[compute] - before
    stage.report.claim(f"its delays have grown by {grown:,} minutes", grown == 7 * AMENDED)
    stage.report.claim(f"counted anew {anew} times", anew == 0)
    same = tally == CarrierPunctuality().compute(carrier=CARRIER)
    stage.report.claim("and equal to a count of all its flights", same)
    same = NetworkRanking.cached.get() == NetworkRanking().compute()
    stage.report.claim("the ranking, made of the carriers' tallies, has followed", same)


def _wait_for(stage: Stage, airport: str, text: bytes) -> None:
    """Read the cached board until it shows the text."""
    until(
        lambda: text in DepartureBoard.cached.get_bytes(airport=airport, day=stage.day),
        30.0,
        f"{airport}'s board shows {text.decode()}",
        pause=0.001,
    )


def _logged(stage: Stage) -> int:
    """How many changes of flights are in the log."""
    query = "SELECT count(*) FROM kck_publish_change WHERE source = 'example_app_flight'"
    ((count,),) = stage.rows(query)
    return int(count)
