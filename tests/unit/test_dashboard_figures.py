"""How the dashboard writes figures, and which points of time it draws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from kck_publish import clock
from kck_publish.dashboard import filters
from kck_publish.dashboard.periods import PERIODS, chosen
from kck_publish.dashboard.plots import BATCHES, draw


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """The library's clock stands there, nearly."""
    by = moment - clock.now()
    clock.move(by)
    try:
        yield
    finally:
        clock.move(-by)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, filters.DASH),
        (0, "0"),
        (0.02, "0.02"),
        (2.0, "2"),
        (12.345, "12.3"),
        (123.4, "123"),
        (12_345, "12,345"),
        (999_949, "999,949"),
        (1_234_567, "1.23 M"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert filters.number(value) == text.replace(" ", filters.NBSP)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, filters.DASH),
        (0, "0 s"),
        (0.00035, "0.35 ms"),
        (0.0123, "12.3 ms"),
        (0.42, "420 ms"),
        (0.9996, "1.0 s"),
        (4.2, "4.2 s"),
        (60, "1 min"),
        (90, "1.5 min"),
        (12 * 60, "12 min"),
        (3.5 * 3600, "3.5 h"),
        (50 * 3600, "2.1 d"),
    ],
)
def test_durations(value: float | None, text: str) -> None:
    assert filters.duration(value) == text.replace(" ", filters.NBSP)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, filters.DASH),
        (512, "512 B"),
        (1_200, "1.2 kB"),
        (3_400_000, "3.4 MB"),
        (2 * 10**12, "2.0 TB"),
    ],
)
def test_sizes(value: float | None, text: str) -> None:
    assert filters.size(value) == text.replace(" ", filters.NBSP)


@pytest.mark.parametrize(
    ("seconds", "before", "after"),
    [
        (3, "just now", "now"),
        (47, "40 s ago", "in 40 s"),
        (200, "3 min ago", "in 3 min"),
        (2 * 3600 + 30, "2 h ago", "in 2 h"),
        (9 * 86400 + 30, "9 d ago", "in 9 d"),
    ],
)
def test_times(seconds: float, before: str, after: str) -> None:
    now = clock.now().timestamp()
    assert filters.ago(now - seconds).replace(filters.NBSP, " ") == before
    assert filters.until(now + seconds + 1).replace(filters.NBSP, " ") == after
    assert filters.ago(None) == filters.until(None) == filters.DASH


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
def test_the_last_point_may_be_shorter(period: object) -> None:
    """Its rate is of the seconds that have passed."""
    chosen_ = chosen(getattr(period, "name", None))
    with at(datetime(2026, 11, 29, 19, 37, 20, tzinfo=UTC)):
        window = chosen_.window()
    points = list(window.points())
    assert window.end == datetime(2026, 11, 29, 19, 37, tzinfo=UTC).timestamp()
    assert sum(seconds for _, seconds in points) == window.end - window.begin
    assert points[-1][1] == window.last
    assert window.end - window.begin >= chosen_.seconds
    assert window.begin % window.step == 0


def test_an_unknown_period_is_the_first() -> None:
    assert chosen("7y") == chosen(None) == PERIODS[0]


def test_without_history_rates_are_zero_and_lags_unknown() -> None:
    with at(datetime(2026, 11, 29, 19, 37, tzinfo=UTC) + timedelta(seconds=5)):
        drawn = draw(PERIODS[0].window(), BATCHES, [])
    assert set(drawn["plots"]["changes"]["changes"]) == {0.0}
    assert set(drawn["plots"]["lag"]["mean"]) == {None}
