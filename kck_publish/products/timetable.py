"""The times of refreshes by the clock: at an interval, or by a cron string. Pure.

``primers.product`` refuses what cannot be read, ``refresh.schedule`` keeps the times. Cron strings
are read by cronsim, which comes with the extra ``cron``; their times are local, as Debian's cron
takes them where clocks are put forward or back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cronsim import CronSim

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
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
    """The times of a cron string, in a time zone."""

    text: str
    zone: tzinfo

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> Cron:
        """Read a cron string.

        Raises:
            ValueError: it cannot be read, such a day never comes, or cronsim is not installed.
        """
        cron = cls(text, zone)
        cron.after(datetime(2000, 1, 1, tzinfo=UTC))
        return cron

    def first(self, name: str, now: datetime) -> datetime:
        return self.after(now) + timedelta(seconds=CRON_SPREAD * share_of(name))

    def following(self, name: str, due: datetime, now: datetime) -> datetime:
        return self.first(name, max(due, now))

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment, in UTC."""
        for tick in _ticks(self.text, moment.astimezone(self.zone)):
            return tick.astimezone(UTC)
        raise ValueError(f"{self.text!r}: such a day never comes")

    def __str__(self) -> str:
        return self.text


def _ticks(text: str, moment: datetime) -> CronSim:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise ValueError(
            "a cron string is read by cronsim, which is not installed: "
            "pip install 'kck_publish[cron]'"
        ) from None
    fields = _NICKNAMES.get(text.strip().lower(), text)
    if len(fields.split()) != len(_FIELDS):
        raise ValueError(
            f"{text!r} has {len(fields.split())} fields; five are needed: {', '.join(_FIELDS)}"
        )
    try:
        return CronSim(fields, moment)
    except CronSimError as wrong:
        raise ValueError(f"{text!r} cannot be read ({wrong})") from None


def timetable(value: object, zone: tzinfo) -> Timetable:
    """The timetable of a ``refresh_every``.

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
