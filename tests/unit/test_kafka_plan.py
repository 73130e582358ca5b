"""The plan on paper: what it says where it can be said without it."""

from __future__ import annotations

from benchmarks.kafka_plan import PRODUCTS, Measured, plan


def test_the_plan_holds_what_it_is_given() -> None:
    measured = Measured(relay=10_000, consume=2_500, bytes=1_000)
    small, large = plan(1_000, measured), plan(1_000_000, measured)
    assert (small.relays, small.brokers, small.first) == (1, 3, "nothing")
    assert large.first == "one consumer"
    assert large.partitions >= 2 * 1_000_000 / measured.consume
    assert large.brokers * 100e6 >= large.bytes_out / 2
    assert small.refill_hours * 3600 * measured.relay == PRODUCTS
