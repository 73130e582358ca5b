"""The plan of many products, and its simulation: what they say where it can be said without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import kafka_plan
from benchmarks import kafka_simulation as simulation
from benchmarks.kafka_plan import HOSTS, REGIONS, STORE, Measured, Plan, plan

MEASURED = Measured(relay=10_000, consume=2_500, tell=4_000_000, bytes=1_000)


def test_the_plan_holds_what_it_is_given() -> None:
    small, large = plan(1_000, MEASURED), plan(1_000_000, MEASURED)
    assert (small.relays, small.brokers, small.stores) == (1, 3, 2)
    assert large.partitions >= 2 * 1_000_000 / MEASURED.consume
    assert large.brokers * 100e6 >= large.bytes_out / 2
    for one in (small, large):
        assert min(one.stages(MEASURED).values()) >= one.rate


def test_one_of_each_bears_what_its_slowest_stage_does() -> None:
    alone = Plan(0, 1, 1, 1, 0.0, 3).stages(MEASURED)
    slowest = MEASURED.tell / (HOSTS / REGIONS)
    assert min(alone.values()) == slowest
    rate, name = simulation.limit(alone, [slowest * 0.9, slowest, slowest * 1.1, slowest * 1.2])
    assert (rate, name) == (slowest * 1.1, STORE)


def test_queues_are_as_long_as_can_be_counted() -> None:
    stages = {"first": 100.0, "second": 50.0}
    away = simulation.outage(stages, 40.0, "second")
    assert away.lag == pytest.approx(3_600, abs=2)
    assert away.waits["second"] == pytest.approx(40 * 3_600)
    # What has come in an hour goes at what is left over beside the rate.
    assert away.over == pytest.approx(3_600 + 40 * 3_600 / 10, rel=0.01)
    assert simulation.burst({"one": 1_000.0}, 40.0).lag <= 1
    held = simulation.burst(stages, 40.0)
    assert held.first == "first"
    assert held.waits["first"] == pytest.approx((400 - 100) * 600)
    filled = simulation.refill({"one": 5_000.0}, 1_000.0, 1e8)
    assert filled.over == pytest.approx(1e8 / 4_000, rel=0.01)


def test_the_guide_shows_what_the_plan_prints(capsys: Any) -> None:
    kafka_plan.main([])
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    told = {
        " ".join(line.split())
        for line in Path(__file__).parents[2].joinpath("docs", "kafka.md").read_text().splitlines()
    }
    figures = [line for line in printed if line.startswith(("| 1", "- from"))]
    assert len(figures) == 12
    assert set(figures) <= told
