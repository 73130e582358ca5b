"""How long a change is on its way, from the write to the consumer, at a steady rate."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.figures import median, quantile, short

RATE, SECONDS = 200, float(os.environ.get("KCK_BENCH_SECONDS", "10"))


def measure() -> None:
    """From the write's time in the database to the consumer's own, at a steady rate."""
    from kck_publish.contrib.kafka import TopicConsumer, registry
    from kck_publish.contrib.kafka.consume import Consume
    from kck_publish.contrib.kafka.relay import Relay
    from kck_publish.status import status
    from tests.kafka_app.kafka import Flights
    from tests.kafka_app.models import Flight

    waits: list[float] = []
    began = datetime.now(UTC)

    class Clock(TopicConsumer):
        topic = "flights"
        group = "clock"
        start = "latest"

        def consume_many(self, messages: Any) -> None:
            now = datetime.now(UTC)
            for message in messages:
                at = datetime.fromisoformat(message.value["at"])
                if at >= began:
                    waits.append((now - at).total_seconds())

    relay, consume = Relay([Flights]), Consume([Clock])
    threads = [threading.Thread(target=one.run) for one in (relay, consume)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while "kafka:flights" not in {one["name"] for one in status().consumers} or not (
        consume.workers[0].owned
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    wanted = int(RATE * SECONDS)
    begin = time.perf_counter()
    for number in range(wanted):
        while time.perf_counter() < begin + number / RATE:
            time.sleep(0.0005)
        Flight.objects.create(number=str(number))
    deadline = time.monotonic() + 60
    while len(waits) < wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    relay.stop()
    consume.stop()
    for thread in threads:
        thread.join()
    del registry.consumers["clock:flights"]
    p50, p99 = short(median(waits) * 1e3), short(quantile(waits, 0.99) * 1e3)
    print(f"   {len(waits):,} changes at {RATE}/s, written to consumed: p50 {p50} ms, p99 {p99} ms")
