"""A plan on paper: many products, hosts and regions over product topics, and what breaks first.

    python -m benchmarks.kafka_plan [--relay N] [--consume N] [--bytes N]

The parameters are what ``make bench-kafka`` has measured on one machine: messages a second of one
relay and of one consumer process, and the bytes of a message with its headers.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.figures import markdown, short

PRODUCTS, HOSTS, REGIONS = 10**9, 10**4, 3
# What is usual of a broker: bytes a second that it takes and gives, and partitions that it holds.
BROKER_BYTES, BROKER_PARTITIONS, REPLICATION = 100e6, 4_000, 3
# Changes a second, of all products together.
RATES = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Measured:
    """What one process does, and what one message is."""

    relay: float
    consume: float
    bytes: float


@dataclass(frozen=True)
class Plan:
    """What a rate of changes needs.

    Attributes:
        relays: topics with a relay each: a topic's relay is one process.
        partitions: in each region, so that each consumer of the busiest service has one.
        brokers: in each region, by bytes and by partitions.
        first: what is short first, if nothing is added to one of each.
    """

    rate: float
    relays: int
    partitions: int
    bytes_out: float
    brokers: int
    refill_hours: float
    first: str


def plan(rate: float, measured: Measured) -> Plan:
    """What it takes, with a half of each part in reserve."""
    relays = _ceil(rate / (measured.relay * 0.5))
    consumers = _ceil(rate / (measured.consume * 0.5))
    partitions = max(relays, consumers)
    taken = rate * measured.bytes * REPLICATION
    # One service's store in a region is filled once; its hosts follow the store by near files.
    given = rate * measured.bytes * (1 + REPLICATION)
    brokers = max(
        3,
        _ceil(max(taken, given) / (BROKER_BYTES * 0.5)),
        _ceil(partitions * REPLICATION / BROKER_PARTITIONS),
    )
    shortest = {
        "one relay": measured.relay,
        "one consumer": measured.consume,
        "one broker": BROKER_BYTES / (measured.bytes * (1 + REPLICATION)),
    }
    name = min(shortest, key=lambda one: shortest[one])
    first = name if rate > shortest[name] else "nothing"
    refill = PRODUCTS / (measured.relay * relays) / 3600
    return Plan(rate, relays, partitions, taken + given, brokers, refill, first)


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--relay", type=float, default=20_000)
    parser.add_argument("--consume", type=float, default=6_000)
    parser.add_argument("--bytes", type=float, default=600)
    measured = Measured(**vars(parser.parse_args()))
    print(
        f"== Plan: {PRODUCTS:,} products, {HOSTS:,} hosts, {REGIONS} regions; relay "
        f"{measured.relay:,.0f}/s, consumer {measured.consume:,.0f}/s, {measured.bytes:,.0f} bytes"
    )
    heading = [
        "changes/s",
        "relays",
        "partitions",
        "MB/s a region",
        "brokers",
        "refill, h",
        "first",
    ]
    rows = [heading]
    for rate in RATES:
        one = plan(rate, measured)
        figures = [f"{one.relays:,}", f"{one.partitions:,}", short(one.bytes_out / 1e6)]
        rows.append([f"{rate:,}", *figures, f"{one.brokers:,}", short(one.refill_hours), one.first])
    markdown(rows)
    size = PRODUCTS * measured.bytes * REPLICATION / 1e12
    print(f"   A compacted topic of all: {short(size)} TB a region, with its replicas.")


def _ceil(value: float) -> int:
    return max(1, int(-(-value // 1)))


if __name__ == "__main__":
    main()
