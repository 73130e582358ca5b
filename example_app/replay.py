"""Replays a day's delays, so that the served pages have something to show.

Another program's writes, as it were: raw SQL on a connection of its own. Each flight is on time
at first; then its delay grows in steps, in the order of the schedule, until it is what it was.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from threading import Event
from typing import NamedTuple

import psycopg

STEP_AFTER = timedelta(minutes=20)  # of the replayed day, from one announcement to the next
STEPS = 3

DELAYS = """
    SELECT id, scheduled, dep_delay FROM example_app_flight
    WHERE day = %s AND dep_delay > 0
    ORDER BY scheduled, id
"""
ALL_ON_TIME = "UPDATE example_app_flight SET dep_delay = 0 WHERE day = %s AND dep_delay > 0"
ANNOUNCE = "UPDATE example_app_flight SET dep_delay = %s WHERE id = %s"


class Flown(NamedTuple):
    """A flight that left late, as it really was."""

    id: int
    scheduled: datetime
    dep_delay: int  # minutes


class Announcement(NamedTuple):
    """At ``at`` the flight is said to leave ``dep_delay`` minutes late."""

    at: datetime
    flight: int
    dep_delay: int


def announcements(flights: Iterable[Flown]) -> list[Announcement]:
    """Each flight's delay in growing steps, all flights' steps in the order of time."""
    return sorted(
        Announcement(flight.scheduled + STEP_AFTER * (step - 1), flight.id, delay)
        for flight in flights
        for step, delay in enumerate(_growing(flight.dep_delay), 1)
    )


def _growing(delay: int) -> Iterator[int]:
    """Up to `STEPS` different numbers, the last of them ``delay``."""
    yield from sorted({delay * step // STEPS for step in range(1, STEPS + 1)} - {0})


def replay(dsn: str, day: date, stop: Event, *, pause: float = 0.25) -> int:
    """Replay the day again and again until ``stop`` is set; return how many updates were made.

    ``pause`` is in seconds, between two updates. Each update is a transaction of its own. Leaves
    the day as it was found, also when it is stopped in the middle.
    """
    made = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        flights = [Flown(*row) for row in connection.execute(DELAYS, [day])]
        try:
            while flights and not stop.is_set():
                connection.execute(ALL_ON_TIME, [day])
                for announcement in announcements(flights):
                    if stop.wait(pause):
                        break
                    connection.execute(ANNOUNCE, [announcement.dep_delay, announcement.flight])
                    made += 1
        finally:
            with connection.cursor() as cursor:
                cursor.executemany(ANNOUNCE, [(f.dep_delay, f.id) for f in flights])
    return made
