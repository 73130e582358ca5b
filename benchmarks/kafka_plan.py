"""A plan: many products, hosts and regions over product topics, and what breaks first.

    python -m benchmarks.kafka_plan [--relay N] [--consume N] [--tell N] [--bytes N]

The parameters are what ``make bench-kafka`` has measured on one machine: messages a second of one
relay and of one consumer process, the keys a second that one server tells to the followers of near
files, and the bytes of a message with its headers. What a plan bears is simulated
(``kafka_simulation``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import kafka_simulation as simulation
from benchmarks.figures import markdown, short

PRODUCTS, HOSTS, REGIONS = 10**9, 10**4, 3
# What is usual of a broker: bytes a second that it takes and gives, and partitions that it holds.
BROKER_BYTES, BROKER_PARTITIONS, REPLICATION = 100e6, 4_000, 3
# Changes a second, of all products together.
RATES = (1_000, 10_000, 100_000, 1_000_000)
RELAY, BROKER, CONSUMER, STORE = "relay", "broker", "consumer", "store's followers"


@dataclass(frozen=True)
class Measured:
    """What one process does, and what one message is.

    Attributes:
        tell: keys a second that one server tells to all followers of its near files together.
    """

    relay: float
    consume: float
    tell: float
    bytes: float


@dataclass(frozen=True)
class Plan:
    """What a rate of changes needs, in each region.

    Attributes:
        relays: topics with a relay each: a topic's relay is one process.
        partitions: so that each consumer of a store has one.
        stores: databases with all products; each feeds its part of the hosts' near files.
    """

    rate: float
    relays: int
    partitions: int
    stores: int
    bytes_out: float
    brokers: int

    def stages(self, measured: Measured) -> dict[str, float]:
        """What each stage passes on in a second, on the way to the hosts of one store."""
        hosts = HOSTS / REGIONS / self.stores
        return {
            RELAY: self.relays * measured.relay,
            BROKER: self.brokers * BROKER_BYTES / (measured.bytes * (self.stores + REPLICATION)),
            CONSUMER: self.partitions * measured.consume,
            STORE: measured.tell / hosts,
        }


def plan(rate: float, measured: Measured) -> Plan:
    """What it takes, with a half of each part in reserve."""
    relays = _ceil(rate / (measured.relay * 0.5))
    consumers = _ceil(rate / (measured.consume * 0.5))
    stores = _ceil(rate * HOSTS / REGIONS / (measured.tell * 0.5))
    partitions = max(relays, consumers)
    # Each store is filled by all messages; the replicas take them from the first broker.
    moved = rate * measured.bytes * (stores + REPLICATION)
    brokers = max(
        3, _ceil(moved / (BROKER_BYTES * 0.5)), _ceil(partitions * REPLICATION / BROKER_PARTITIONS)
    )
    return Plan(rate, relays, partitions, stores, moved, brokers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan, and how it bears a burst, an outage and a new region."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--relay", type=float, default=16_700)
    parser.add_argument("--consume", type=float, default=5_900)
    parser.add_argument("--tell", type=float, default=4.2e6)
    parser.add_argument("--bytes", type=float, default=700)
    measured = Measured(**vars(parser.parse_args(arguments)))
    print(
        f"== Plan: {PRODUCTS:,} products, {HOSTS:,} hosts, {REGIONS} regions; relay "
        f"{measured.relay:,.0f}/s, consumer {measured.consume:,.0f}/s, {measured.tell:,.0f} keys/s "
        f"told, {measured.bytes:,.0f} bytes"
    )
    sizes = [["changes/s", "relays", "partitions", "stores", "MB/s a region", "brokers"]]
    runs = [["changes/s", "burst: lag, s", "over, min", "outage: lag, s", "over, min",
             "rows in the log", "refill, h"]]  # fmt: skip
    for rate in RATES:
        one = plan(rate, measured)
        sizes.append([
            f"{rate:,}", f"{one.relays:,}", f"{one.partitions:,}", f"{one.stores:,}",
            short(one.bytes_out / 1e6), f"{one.brokers:,}",
        ])  # fmt: skip
        stages = one.stages(measured)
        burst = simulation.burst(stages, rate)
        outage = simulation.outage(stages, rate, BROKER)
        until_stored = {name: able for name, able in stages.items() if name != STORE}
        refill = simulation.refill(until_stored, rate, PRODUCTS)
        runs.append([
            f"{rate:,}", short(burst.lag), _over(burst, 60), short(outage.lag), _over(outage, 60),
            f"{outage.waits[BROKER]:,.0f}", _over(refill, 3600),
        ])  # fmt: skip
    markdown(sizes)
    markdown(runs)
    alone = Plan(0, 1, 1, 1, 0.0, 3).stages(measured)
    print("   One relay, one consumer, three brokers and one store in a region, more and more:")
    while alone:
        bears, name = simulation.limit(alone, [100 * 1.1**n for n in range(100)])
        print(f"   - from {bears:,.0f} changes/s on the {name} is short")
        del alone[name]
    size = PRODUCTS * measured.bytes * REPLICATION / 1e12
    print(f"   A compacted topic of all: {short(size)} TB a region, with its replicas.")


def _over(run: simulation.Run, unit: float) -> str:
    return "never" if run.over is None else short(run.over / unit)


def _ceil(value: float) -> int:
    return max(1, int(-(-value // 1)))


if __name__ == "__main__":
    main()
