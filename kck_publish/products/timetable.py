"""When a product is to be refreshed by the clock: every so often, or as a cron string says. Pure.

A small parser of our own: five fields of numbers cost less than a dependency. ``primers.product``
refuses what cannot be read, ``refresh.schedule`` keeps the times.

    minute  hour  day of month  month  day of week          "*/10 8-18 * * mon-fri"

Each field: ``*``, numbers, names (jan, mon), ranges ``a-b``, steps ``*/n`` and ``a-b/n``, and lists
of these. Day of month and day of week: when neither begins with ``*``, either will do. ``@hourly``,
``@daily``, ``@weekly``, ``@monthly`` and ``@yearly`` are known.

Local time. Where clocks are put forward, a time that does not exist is taken as much later as they
were put; where they are put back, a time that comes twice is taken once, the first time. A time in
every hour (``*`` as the hour) is taken in every hour that there is.
"""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, [name.lower() for name in calendar.month_abbr]),
    ("day of week", 0, 7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
)
# A 29th of February comes after eight years at the latest.
_DAYS = 366 * 8 + 1
# How far products with one timetable are spread, as a share of the time between two ticks, and
# in seconds at the most.
SPREAD, LONGEST_SPREAD, CRON_SPREAD = 0.1, 60.0, 6.0


class Timetable(Protocol):
    """Tells the ticks of a product."""

    def first(self, name: str, now: datetime) -> datetime:
        """The first tick of a product that is new at this moment."""

    def following(self, name: str, due: datetime, now: datetime) -> datetime:
        """The tick after one that was due; those missed since then are not made up for."""


@dataclass(frozen=True)
class Interval:
    """Every so often, counted from when the product was first seen."""

    every: timedelta

    def first(self, name: str, now: datetime) -> datetime:
        spread = min(self.every.total_seconds() * SPREAD, LONGEST_SPREAD)
        return now + self.every - timedelta(seconds=spread * share_of(name))

    def following(self, name: str, due: datetime, now: datetime) -> datetime:
        missed = max(0, (now - due) // self.every)
        return due + self.every * (missed + 1)

    def __str__(self) -> str:
        return str(self.every)


@dataclass(frozen=True)
class Cron:
    """As a cron string says, in a time zone."""

    text: str
    zone: tzinfo
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> Cron:
        """Read a cron string.

        Raises:
            ValueError: saying which field cannot be read, or that such a day never comes.
        """
        fields = _NICKNAMES.get(text.strip().lower(), text).lower().split()
        if len(fields) != len(_FIELDS):
            raise ValueError(
                f"{text!r} has {len(fields)} fields; five are needed: minute, hour, day of month, "
                "month, day of week"
            )
        minutes, hours, days, months, weekdays = (
            frozenset(_numbers(one, *known)) for one, known in zip(fields, _FIELDS, strict=True)
        )
        either = not (fields[2].startswith("*") or fields[4].startswith("*"))
        weekdays = frozenset(one % 7 for one in weekdays)
        found = cls(text, zone, minutes, hours, days, months, weekdays, either)
        if found.after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise ValueError(f"{text!r}: such a day never comes")
        return found

    def first(self, name: str, now: datetime) -> datetime:
        spread = timedelta(seconds=CRON_SPREAD * share_of(name))
        found = self.after(now)
        assert found is not None  # parse has seen to it
        return found + spread

    def following(self, name: str, due: datetime, now: datetime) -> datetime:
        return self.first(name, max(due, now))

    def after(self, moment: datetime) -> datetime | None:
        """The first time after a moment, in UTC; None if there is none within eight years."""
        start = moment.astimezone(self.zone).date() - timedelta(days=1)
        for number in range(_DAYS + 1):
            day = start + timedelta(days=number)
            if self._is_on(day):
                for found in self._times(day):
                    if found > moment:
                        return found
        return None

    def _is_on(self, day: date) -> bool:
        in_month = day.day in self.days
        in_week = day.isoweekday() % 7 in self.weekdays
        on = (in_month or in_week) if self.either else (in_month and in_week)
        return day.month in self.months and on

    def _times(self, day: date) -> list[datetime]:
        hourly = len(self.hours) == 24
        found = set()
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime.combine(day, time(hour, minute), self.zone)
                for one in (local, local.replace(fold=1)) if hourly else (local,):
                    there = one.astimezone(UTC)
                    if not hourly or there.astimezone(self.zone).replace(tzinfo=None) == (
                        one.replace(tzinfo=None)
                    ):
                        found.add(there)
        return sorted(found)

    def __str__(self) -> str:
        return self.text


def timetable(value: object, zone: tzinfo) -> Timetable:
    """What ``refresh_every`` says.

    Raises:
        ValueError: it is neither a timedelta longer than zero nor a cron string.
    """
    if isinstance(value, timedelta):
        if value <= timedelta(0):
            raise ValueError(f"a timedelta is longer than zero, not {value}")
        return Interval(value)
    if isinstance(value, str):
        return Cron.parse(value, zone)
    raise ValueError(f"it is a timedelta or a cron string, not {value!r}")


def share_of(name: str) -> float:
    """A product's own share of the spread, from 0 to 1, always the same."""
    digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0xFFFFFFFF


def _numbers(field: str, what: str, lowest: int, highest: int, names: list[str]) -> Iterator[int]:
    for part in field.split(","):
        whole, slash, step = part.partition("/")
        first, dash, last = whole.partition("-")
        if whole == "*":
            start, end = lowest, highest
        else:
            start = _number(first, what, lowest, highest, names)
            end = _number(last, what, lowest, highest, names) if dash else start
            if slash and not dash:
                end = highest
        every = _number(step, f"step of the {what}", 1, highest + 1, []) if slash else 1
        if start > end:
            raise ValueError(f"the {what} {part!r} ends before it begins")
        yield from range(start, end + 1, every)


def _number(text: str, what: str, lowest: int, highest: int, names: list[str]) -> int:
    if text in names and text:
        return names.index(text)
    if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= highest:
        raise ValueError(f"the {what} is from {lowest} to {highest}, not {text!r}")
    return int(text)
