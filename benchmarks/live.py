"""Commit to event at the client, by raw SQL: the hub beside two peers, in one run.

1. ``STREAMS`` streams over ``KEYS`` keys at ``RATE`` changes a second, in turns. django-eventstream
   does not see the database: its sender commits, and then sends over Redis, as its authors advise.
   The other peer is a trigger that notifies, by hand: see ``live_notify``. Each has its own table.
2. Open streams in one process: memory a stream, and the time until all are told of one change;
   processor time while nothing happens, threads and database connections.
3. A storm on one key: how far its newest value is behind, how far those of other keys, and the
   server's memory.

At full size in about four minutes. ``KCK_BENCH_WATCHERS`` and ``KCK_BENCH_STREAMS`` say other
sizes of 1 and 2.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import quantile, short, target
from benchmarks.live_notify import TABLE
from benchmarks.live_servers import Clients, Server, serving
from benchmarks.redis_server import redis_server
from benchmarks.world import listening, world

STREAMS = int(os.environ.get("KCK_BENCH_WATCHERS", "1000"))
KEYS, RATE, SECONDS, ROUNDS = 100, 50, 4, 3
MANY = int(os.environ.get("KCK_BENCH_STREAMS", "10000"))
STORM, STORM_SECONDS, OTHERS = 1_000, 5, 10
# Seconds after which first values have arrived, and the threads of requests have ended.
SETTLE = 5
WRITE = "UPDATE benchmarks_tick SET at = %s WHERE id = %s"
PLAIN = "CREATE TABLE tick_plain AS SELECT n AS id, 0::bigint AS at FROM generate_series(1, 100) n"
Send = Callable[[int], object]


def main() -> None:
    """Measure and print."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        stack.enter_context(redis_server())
        found = stack.enter_context(world("live: commit to the event at the client"))
        writer = stack.enter_context(found.connect())
        writer.execute("INSERT INTO benchmarks_tick SELECT n, 0 FROM generate_series(1, 100) n")
        writer.execute(TABLE)
        writer.execute(PLAIN)
        stack.enter_context(listening())
        _latencies(writer)
        _many(writer)


def _changes(send: Callable[[int], object], rate: float, seconds: float, keys: int) -> None:
    end, number = time.perf_counter() + seconds, 0
    due = time.perf_counter()
    while due < end:
        send(number % keys + 1)
        number += 1
        due += 1 / rate
        time.sleep(max(due - time.perf_counter(), 0))


def _latencies(writer: Any) -> None:
    contestants = _contestants(writer)
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    with ExitStack() as stack:
        clients = {}
        for name, (peer, path, _) in contestants.items():
            server = stack.enter_context(serving(peer))
            clients[name] = Clients(server.port, path, STREAMS, 1, KEYS)
            stack.callback(clients[name].close)
        for _ in range(ROUNDS):
            for name, (_, _, send) in contestants.items():
                clients[name].ask("reset")
                _changes(send, RATE, SECONDS, KEYS)
                time.sleep(1)
                figures[name] += clients[name].ask()
    expected = ROUNDS * SECONDS * RATE * STREAMS // KEYS
    print(
        f"   {STREAMS} streams, {KEYS} keys, {RATE} changes a second; load {os.getloadavg()[0]:.1f}"
    )
    for name, values in figures.items():
        if not values:
            print(f"   {name:20} no event has come")
            continue
        p50, p90, p99 = (quantile(values, part) * 1e3 for part in (0.5, 0.9, 0.99))
        print(
            f"   {name:20} p50 {short(p50)} ms  p90 {short(p90)}  p99 {short(p99)}"
            f"  worst {short(max(values) * 1e3)}  events {len(values)} of {expected}"
        )
    ours = figures["kck_publish"]
    p50, p99 = quantile(ours, 0.5) * 1e3, quantile(ours, 0.99) * 1e3
    target("p50, commit to event", "<= 10 ms", p50, " ms", p50 <= 10)
    target("p99, commit to event", "<= 40 ms", p99, " ms", p99 <= 40)


def _contestants(writer: Any) -> dict[str, tuple[str, str, Send]]:
    """The peer's name to the server, its path, and how a change is made."""
    told = WRITE.replace("benchmarks_tick", "tick_told")
    found: dict[str, tuple[str, str, Send]] = {
        "kck_publish": ("", "/live/?key=tick/{n}", lambda n: writer.execute(WRITE, [_now(), n])),
        "NOTIFY by hand": (
            "notify",
            "/told/?key={n}",
            lambda n: writer.execute(told, [_now(), n]),
        ),
    }
    if importlib.util.find_spec("django_eventstream") and os.environ.get("KCK_BENCH_REDIS"):
        path = "/events/?channel=tick-{n}"
        found["django-eventstream"] = ("django_eventstream", path, _sender(writer))
    else:
        print("   django-eventstream or Redis is not installed: it is left out")
    return found


def _now() -> int:
    return time.monotonic_ns()


def _sender(writer: Any) -> Send:
    from django.conf import settings

    host, _, port = os.environ["KCK_BENCH_REDIS"].removeprefix("redis://").partition(":")
    settings.EVENTSTREAM_REDIS = {"host": host, "port": int(port), "db": 4}
    from django_eventstream import send_event

    plain = WRITE.replace("benchmarks_tick", "tick_plain")

    def send(n: int) -> None:
        at = _now()
        writer.execute(plain, [at, n])
        send_event(f"tick-{n}", "value", {"at": at})

    return send


def _many(writer: Any) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with serving() as server:
        others = Clients(server.port, "/live/?key=tick/{n}", 100, 2, KEYS)
        time.sleep(SETTLE)
        before, threads = server.status("VmRSS"), server.status("Threads")
        connections = writer.execute(query).fetchone()[0]
        began = time.monotonic()
        clients = Clients(server.port, "/live/?key=tick/1", MANY, 1, 1)
        try:
            print(f"   {MANY:,} streams, opened in {short(time.monotonic() - began)} s")
            time.sleep(SETTLE)
            each = (server.status("VmRSS") - before) / MANY
            print(f"   memory: {short(each)} KiB a stream")
            print(f"   threads {threads} with 100, {server.status('Threads')} with all")
            now = writer.execute(query).fetchone()[0]
            print(f"   database connections, all in all {connections} with 100, {now} with all")
            used = server.seconds()
            time.sleep(SETTLE)
            idle = (server.seconds() - used) / SETTLE
            print(f"   idle, with a comment each 15 s: {short(100 * idle)} % of a core")
            _tell_all(writer, clients)
        finally:
            clients.close()
        _storm(server, writer, others)
        others.close()


def _tell_all(writer: Any, clients: Clients) -> None:
    clients.ask("reset")
    writer.execute(WRITE, [_now(), 1])
    values: list[float] = []
    deadline = time.monotonic() + 60
    while len(values) < MANY and time.monotonic() < deadline:
        time.sleep(0.2)
        values = clients.ask()
    first, last = short(min(values) * 1e3), short(max(values) * 1e3)
    print(f"   one change: the first of {len(values):,} after {first} ms, the last after {last} ms")


def _storm(server: Server, writer: Any, others: Clients) -> None:
    watching = Clients(server.port, "/live/?key=tick/1", 100, 1, 1)
    time.sleep(1)
    before, number = server.status("VmRSS"), 0
    for clients in (watching, others):
        clients.ask("reset")

    def send(_: int) -> None:
        """The one key; and now and then another."""
        nonlocal number
        number += 1
        key = 2 + number // 100 % (KEYS - 1) if number % (STORM // OTHERS) == 0 else 1
        writer.execute(WRITE, [_now(), key])

    _changes(send, STORM, STORM_SECONDS, 1)
    time.sleep(1)
    grown = server.status("VmRSS") - before
    print(
        f"   a storm: {number / STORM_SECONDS:,.0f} changes a second of one key for "
        f"{STORM_SECONDS} s, {OTHERS} of others; memory {grown:+} KiB"
    )
    for name, values in (("that key", watching.ask()), ("others", others.ask())):
        p50, p99 = quantile(values, 0.5) * 1e3, quantile(values, 0.99) * 1e3
        print(f"   {name:12} {len(values)} events, p50 {short(p50)} ms, p99 {short(p99)}")
    watching.close()


if __name__ == "__main__":
    main()
