"""Cron strings, and what clocks do when they are put on and back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kck_publish.products.timetable import Cron, Interval, share_of, timetable

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def ticks(text: str, start: datetime, count: int) -> list[str]:
    cron, found, moment = Cron.parse(text, AMSTERDAM), [], start.replace(tzinfo=AMSTERDAM)
    for _ in range(count):
        moment = cron.after(moment)
        found.append(moment.astimezone(AMSTERDAM).strftime("%d %H:%M%z"))
    return found


def test_a_local_time_that_does_not_exist_is_taken_later() -> None:
    assert ticks("30 2 * * *", datetime(2026, 3, 28), 3) == [
        "28 02:30+0100",
        "29 03:00+0200",
        "30 02:30+0200",
    ]


def test_a_local_time_that_comes_twice_is_taken_once() -> None:
    assert ticks("30 2 * * *", datetime(2026, 10, 24), 3) == [
        "24 02:30+0200",
        "25 02:30+0200",
        "26 02:30+0100",
    ]


def test_a_time_in_every_hour_is_taken_in_every_hour_that_there_is() -> None:
    assert ticks("30 * * * *", datetime(2026, 3, 29, 1), 3) == [
        "29 01:30+0100",
        "29 03:30+0200",
        "29 04:30+0200",
    ]
    assert ticks("30 * * * *", datetime(2026, 10, 25, 1, 40), 3) == [
        "25 02:30+0200",
        "25 02:30+0100",
        "25 03:30+0100",
    ]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("* * * *", "4 fields"),
        ("60 * * * *", "Bad minute"),
        ("* 5-3 * * *", "Bad hour"),
        ("*/0 * * * *", "Bad minute"),
        ("* * * foo *", "Bad month"),
        ("* * , * *", "Bad day-of-month"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("", "0 fields"),
        ("@reboot", "1 fields"),
        (timedelta(0), "longer than zero"),
        (timedelta(seconds=-1), "longer than zero"),
        (60, "timedelta or a cron string"),
        (True, "timedelta or a cron string"),
    ],
)
def test_what_cannot_be_read_is_refused(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        timetable(value, UTC)


def test_without_cronsim_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(ValueError, match=r"pip install 'kck_publish\[cron\]'"):
        timetable("@hourly", UTC)
    assert timetable(timedelta(hours=1), UTC) == Interval(timedelta(hours=1))


def test_a_29th_of_february_comes() -> None:
    found = Cron.parse("0 0 29 2 *", UTC).after(datetime(2097, 1, 1, tzinfo=UTC))
    assert found == datetime(2104, 2, 29, tzinfo=UTC)


@given(
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)),
    st.text(),
    st.timedeltas(timedelta(0), timedelta(days=1000)),
)
def test_an_interval_is_kept_and_what_was_missed_is_not_made_up_for(
    every: timedelta, name: str, late: timedelta
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    plan = Interval(every)
    first = plan.first(name, now)
    assert every * 0.9 - timedelta(microseconds=2) <= first - now <= every
    following = plan.following(name, first, first + late)
    assert first + late < following <= first + late + every
    assert (following - first) % every == timedelta(0)


@given(st.text())
def test_a_products_spread_is_its_own(name: str) -> None:
    assert 0 <= share_of(name) <= 1
    now = datetime(2026, 1, 1, tzinfo=UTC)
    cron = Cron.parse("* * * * *", UTC)
    due = cron.first(name, now)
    assert timedelta(minutes=1) <= due - now <= timedelta(seconds=66)
    assert cron.following(name, due, due) == due + timedelta(minutes=1)


def test_two_products_do_not_tick_together() -> None:
    assert len({share_of(f"product_{number}") for number in range(100)}) == 100
