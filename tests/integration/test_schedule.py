"""``refresh_every``: the schedule is kept in a table, caught up once, and by one listener."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TestCase

from kck_publish import Cache, IntegerParameter, InvalidPrimer, Primer, Retry
from kck_publish.clock import now
from kck_publish.products import registry
from kck_publish.refresh import schedule
from kck_publish.status import status
from kck_publish.testing import drain as drain_here
from kck_publish.testing import travel
from tests.catalog.fixtures import Session, computes, drain, interfering, listening, sql
from tests.catalog.primers import Anything, note

cache = Cache.get_instance()
pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def declared() -> Iterator[dict[str, type[Primer]]]:
    """Products of each kind, by the hour."""

    class Single(Primer):
        key = "timed_single"
        refresh_every: Any = HOUR

        def compute(self) -> str:
            note("timed_single")
            return "x"

    class Listed(Primer):
        key = "timed_listed"
        parameters = (IntegerParameter("n"),)
        refresh_every: Any = HOUR
        broken = False

        def domain(self) -> Any:
            if type(self).broken:
                sql("SELECT 1 / 0")
            return [{"n": 1}, {"n": 2}]

        def compute(self, n: int) -> int:
            note("timed_listed", n=n)
            return n

    yield {"single": Single, "listed": Listed}
    for name in ("timed_single", "timed_listed"):
        registry.unregister(name)


def due(name: str) -> datetime:
    ((found,),) = sql("SELECT due_at FROM kck_publish_schedule WHERE product = %s", name)
    assert isinstance(found, datetime)
    return found


def test_each_period_refreshes_the_key_the_domain_or_what_is_stored(
    declared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Anything, "refresh_every", HOUR)
    Anything.values = {"x": 1, "y": 1}
    Anything.cached.get(name="x")
    with computes() as seen:
        drain()
    assert seen == ["titles"]  # eager; of the others none is due yet
    Anything.values = {"x": 2, "y": 2}
    with travel(HOUR), computes() as seen:
        drain()
    assert sorted(seen) == ["anything", "timed_listed", "timed_listed", "timed_single"]
    with computes() as seen:
        assert Anything.cached.get(name="x") == 2
        assert cache.get_many(["timed_single", "timed_listed/1", "timed_listed/2"]) == {
            "timed_single": "x",
            "timed_listed/1": 1,
            "timed_listed/2": 2,
        }
        with travel(HOUR):
            drain()  # it has been done
    assert seen == []


def test_missed_ticks_are_caught_up_once(declared: dict[str, Any]) -> None:
    drain()
    before = due("timed_single")
    with travel(timedelta(hours=50)):
        with computes() as seen:
            drain()
            drain()
        assert seen.count("timed_single") == 1
        after = due("timed_single")
        assert now() < after <= now() + HOUR
    assert (after - before) % HOUR == timedelta(0)
    (plan,) = status().schedule[:1]
    assert plan["last_at"] is not None


def test_a_changed_declaration_is_planned_anew(declared: dict[str, Any]) -> None:
    drain()
    declared["single"].refresh_every = "30 4 * * *"
    drain()
    found = due("timed_single")
    assert (found.hour, found.minute) == (4, 30)
    assert found > datetime.now(UTC)
    declared["single"].refresh_every = None
    with travel(timedelta(days=2)), computes() as seen:
        drain()
    assert "timed_single" not in seen


@pytest.mark.parametrize("every", [HOUR, "0 * * * *"])
def test_a_clock_that_was_far_ahead_is_not_waited_for(declared: dict[str, Any], every: Any) -> None:
    declared["single"].refresh_every = every
    drain()
    with travel(timedelta(days=3650)):
        drain()
    with travel(2 * HOUR):
        with computes() as seen:
            drain()
            drain()
        assert seen.count("timed_single") == 1
        assert due("timed_single") <= now() + HOUR + timedelta(minutes=1)


def test_nor_is_one_that_is_put_right_while_a_listener_runs(
    declared: dict[str, Any], settings: Any, wait_until: Any
) -> None:
    settings.KCK_PUBLISH = {"POLL_INTERVAL": 0.5}
    with listening():
        with travel(timedelta(days=3650)):
            wait_until(lambda: due("timed_single") > datetime.now(UTC) + timedelta(days=3649))
        wait_until(lambda: due("timed_single") <= datetime.now(UTC) + HOUR)


def test_what_no_code_declares_is_forgotten(declared: dict[str, Any]) -> None:
    sql(
        "INSERT INTO kck_publish_schedule VALUES ('gone', '1', now() - interval '31 days', null), "
        "('rolling_deploy', '1', now() - interval '29 days', null)"
    )
    drain()
    assert sql("SELECT product FROM kck_publish_schedule WHERE every = '1'") == [
        ("rolling_deploy",)
    ]


def test_one_of_many_listeners_does_it(declared: dict[str, Any]) -> None:
    drain()
    with travel(HOUR):
        wave = [Session(schedule.tick) for _ in range(8)]
        for one in wave:
            one.result()
        asked = sql("SELECT new[1] FROM kck_publish_change WHERE op = 'refresh' ORDER BY 1")
    assert asked == [("timed_listed/1",), ("timed_listed/2",), ("timed_single",)]


def test_a_tick_that_is_not_committed_is_not_lost(declared: dict[str, Any]) -> None:
    drain()
    with travel(HOUR):
        with transaction.atomic():
            schedule.tick()
            transaction.set_rollback(True)
        with computes() as seen:
            drain()
    assert "timed_single" in seen


def test_a_domain_that_fails_stops_nobody(
    declared: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    cache.get("timed_listed/7")
    drain()
    declared["listed"].broken = True
    with travel(HOUR), computes() as seen:
        drain()
    assert sorted(seen) == ["timed_listed", "timed_single"]  # what is stored
    assert "domain() of timed_listed failed (DataError)" in caplog.text


def test_a_key_that_backs_off_is_left_to_its_retry(
    declared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared["single"], "retry", Retry(delay=HOUR))
    declared["single"].refresh_every = every = timedelta(minutes=10)
    drain()

    def fail(name: str, parameters: Any) -> None:
        if name == "timed_single":
            raise OSError

    with interfering(fail), travel(every):
        drain()
        with computes() as seen, travel(every):
            drain()
        assert "timed_single" not in seen
    with travel(timedelta(hours=2)), computes() as seen:
        drain()
    assert seen.count("timed_single") == 1  # by the retry and by the tick
    assert cache.get("timed_single") == "x"


@pytest.mark.parametrize(
    "wrong", ["* * * *", "61 * * * *", timedelta(0), timedelta(hours=-1), 60, ""]
)
def test_what_cannot_be_kept_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(InvalidPrimer, match=r"timed_wrong: refresh_every: .+\."):
        type(
            "Wrong",
            (Primer,),
            {"key": "timed_wrong", "refresh_every": wrong, "compute": lambda self: 1},
        )


def test_status_and_explain_show_it(declared: dict[str, Any], capsys: Any) -> None:
    drain()
    call_command("kck_status", "--json")
    shown = json.loads(capsys.readouterr().out)["schedule"]
    assert {one["product"]: one["every"] for one in shown} == {
        "timed_single": "1:00:00",
        "timed_listed": "1:00:00",
    }
    call_command("kck_status")
    assert f"schedule   timed_single (1:00:00): {due('timed_single')}" in capsys.readouterr().out
    call_command("kck_explain", "timed_single")
    assert f"schedule     1:00:00, next at {due('timed_single')}" in capsys.readouterr().out
    call_command("kck_explain", "timed_single", "--json")
    assert json.loads(capsys.readouterr().out)["schedule"]["last_at"] is None
    assert status().healthy
    with travel(timedelta(hours=2)):
        assert any("timed_single should have been" in one for one in status().problems)


class InATestCase(TestCase):
    def test_drain_does_what_is_travelled_to(self) -> None:
        class Hourly(Primer):
            key = "timed_in_a_test"
            refresh_every = HOUR
            value = 1

            def compute(self) -> int:
                return type(self).value

        self.addCleanup(registry.unregister, "timed_in_a_test")
        assert Hourly.cached.get() == 1
        Hourly.value = 2
        drain_here()
        assert Hourly.cached.get() == 1
        with travel(HOUR):
            drain_here()
            assert Hourly.cached.get() == 2
        connection.check_constraints()
