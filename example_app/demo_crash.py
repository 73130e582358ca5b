"""The demo's act of disaster: the listener is killed, and the world goes on without it."""

from __future__ import annotations

import time

from kck_publish.testing import assert_fresh

from .demo_report import seconds
from .demo_stage import Stage

# Delayed, moved to another carrier, dropped from the schedule: each row a transaction of its own.
DISASTERS = {
    "UPDATE example_app_flight SET dep_delay = coalesce(dep_delay, 0) + 31 WHERE id = %s": 400,
    "UPDATE example_app_flight SET carrier_id = 'HA', number = number + 10000 WHERE id = %s": 50,
    "DELETE FROM example_app_flight WHERE id = %s": 50,
}
PUT_BACK = """
WITH added AS (
    INSERT INTO example_app_flight SELECT * FROM original o
     WHERE NOT EXISTS (SELECT FROM example_app_flight f WHERE f.id = o.id)
    RETURNING 1
), updated AS (
    UPDATE example_app_flight f
       SET dep_delay = o.dep_delay, carrier_id = o.carrier_id, number = o.number
      FROM original o
     WHERE o.id = f.id
       AND (f.dep_delay, f.carrier_id, f.number)
           IS DISTINCT FROM (o.dep_delay, o.carrier_id, o.number)
    RETURNING 1
)
SELECT (SELECT count(*) FROM added) + (SELECT count(*) FROM updated)
"""


def kill_and_catch_up(stage: Stage) -> None:
    """Nothing that is committed while nobody listens is lost."""
    report, changes = stage.report, sum(DISASTERS.values())
    report.head(f"kill -9 {stage.listener.pid}: the listener dies, {changes} changes go on")
    stage.kill_listener()
    flights = iter(
        stage.rows("SELECT id FROM example_app_flight ORDER BY md5(id::text) LIMIT %s", changes)
    )
    start = time.perf_counter()
    done = 0
    for statement, times in DISASTERS.items():
        for _ in range(times):
            done += stage.writer.execute(statement, next(flights)).rowcount
    took = seconds(time.perf_counter() - start)
    report.claim(f"no write failed or waited: {done} changes committed in", done == changes, took)
    start = time.perf_counter()
    child = stage.start_listener()
    stage.drained()
    took = seconds(time.perf_counter() - start)
    report.figure(f"a new listener, process {child.pid}: started and caught up in", took)
    _all_fresh(stage)


def put_back(stage: Stage) -> None:
    """The month as it was, by one statement."""
    stage.report.head("Everything put back as it was, by one statement")
    ((changed,),) = stage.rows(PUT_BACK)
    start = time.perf_counter()
    stage.drained()
    took = seconds(time.perf_counter() - start)
    stage.report.figure(f"{changed:,} flights; handled after", took)


def _all_fresh(stage: Stage) -> None:
    start = time.perf_counter()
    differs = ""
    try:
        assert_fresh()
    except AssertionError as error:
        differs = str(error)[:400]
    ((stored,),) = stage.rows("SELECT count(*) FROM kck_publish_entry")
    text = f"all {stored:,} stored products equal a fresh compute"
    took = seconds(time.perf_counter() - start)
    stage.report.claim(f"{text}. {differs}".rstrip(". "), not differs, took)
