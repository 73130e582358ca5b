"""Computes that hang, in real listeners: cut off, tried again, and in nobody else's way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.test_listener_process import ROOT, Process
from tests.catalog.fixtures import another_session, sql
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)
LOCK = 78  # as in tests.hanging.primers, which only the processes may import
PRODUCTS = ("hanging", "hanging_together", "hanging_async")


@pytest.fixture
def start(process_environment: dict[str, str], wait_until: Any) -> Iterator[Callable[..., Process]]:
    """Start a listener that knows the products."""
    sql("CREATE TABLE hanging (n int, how text)")
    for n in (1, 2, 3):
        Item.objects.create(name=f"i{n}", group=n, amount=5)
    started: list[Process] = []

    def start(**settings: Any) -> Process:
        environment = {
            **process_environment,
            "PYTHONPATH": str(ROOT),
            "KCK_TEST_PUBLISH": repr(settings),
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.hanging_settings",
        }
        started.append(Process(environment).wait_ready())
        return started[-1]

    yield start
    for one in started:
        if one.popen.poll() is None:
            one.end(signal.SIGKILL)
    # What a killed one has left running in the server.
    wait_until(
        lambda: (
            sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            == [(0,)]
        ),
        30,
    )
    sql("DROP TABLE hanging")


# The queries that hang, and go on although nobody waits for them.
ASLEEP = """
SELECT count(*) FROM pg_stat_activity
 WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' AND datname = current_database()
   AND pid <> pg_backend_pid()
"""


def values(product: str) -> dict[str, int]:
    rows = sql("SELECT key, body FROM kck_publish_entry WHERE product = %s", product)
    return {key.rpartition("/")[2]: int(bytes(body)) for key, body in rows}


def failing() -> dict[str, str]:
    rows = sql("SELECT key, error FROM kck_publish_failure")
    return {key: error.partition("\n")[0].rpartition(".")[2] for key, error in rows}


@pytest.mark.long
@pytest.mark.parametrize(
    "how",
    [
        "query",
        pytest.param("socket", marks=pytest.mark.long),  # in one process: test_time_limit
        pytest.param("loop", marks=pytest.mark.long),
    ],
)
def test_it_is_cut_off_and_tried_again_and_the_others_go_on(
    start: Callable[..., Process], how: str, wait_until: Any
) -> None:
    listener = start()
    wait_until(lambda: all(values(one) == {"1": 5, "2": 5, "3": 5} for one in PRODUCTS))
    sql("INSERT INTO hanging VALUES (2, %s)", how)
    sql("UPDATE catalog_item SET amount = 8")
    wait_until(lambda: all(values(one) == {"1": 8, "2": 5, "3": 8} for one in PRODUCTS), 60)
    wait_until(lambda: failing() == {f"{one}/2": "ComputeTimeout" for one in PRODUCTS}, 60)
    # While it is tried again and again, other changes are handled as ever.
    sql("UPDATE catalog_item SET amount = 9")
    wait_until(lambda: all(values(one) == {"1": 9, "2": 5, "3": 9} for one in PRODUCTS), 60)
    sql("DELETE FROM hanging")
    wait_until(lambda: all(values(one) == {"1": 9, "2": 9, "3": 9} for one in PRODUCTS), 60)
    wait_until(lambda: failing() == {})
    assert sql(ASLEEP) == [(0,)]
    assert listener.end() == 0
    said = "\n".join(listener.lines)
    assert "The compute of 'hanging/2' took longer than 1 s: cut off." in said
    assert "lost" not in said
    assert "Traceback" not in said


@pytest.mark.long
def test_one_that_takes_long_within_its_limit_is_computed_once(
    start: Callable[..., Process], wait_until: Any
) -> None:
    """Its listener is silent for longer than others wait, and has said that it may be."""
    first, second = start(SILENCE=2.5), start(SILENCE=2.5)
    wait_until(lambda: values("lasting") == {"lasting": 15})
    sql("DELETE FROM hanging")
    with another_session() as held:
        held.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        sql("UPDATE catalog_item SET amount = 8 WHERE name = 'i1'")
        wait_until(lambda: sql("SELECT count(*) FROM hanging") == [(1,)])
        ((begun,),) = sql("SELECT clock_timestamp()")
        # So long that the other one has looked for the silent, more than once.
        wait_until(
            lambda: sql("SELECT clock_timestamp() - %s > interval '6 s'", begun) == [(True,)]
        )
        held.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        wait_until(lambda: values("lasting") == {"lasting": 18})
    assert sql("SELECT count(*) FROM hanging") == [(1,)]
    assert first.end() == second.end() == 0
    assert "silent" not in "\n".join([*first.lines, *second.lines])
