"""Time, with real processes: soft expiry, coalesced requests, and a remote source that fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.acceptance.test_listener_process import ROOT, Process, drained
from tests.catalog.fixtures import another_session, sql

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
LOCK = 77  # as in tests.clocked.primers, which only the processes may import
KNOWN = {"DJANGO_SETTINGS_MODULE": "tests.acceptance.clocked_settings"}


@pytest.fixture
def environment(process_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of processes that know ``tests.clocked``, and the table they count in."""
    sql("CREATE TABLE clocked_compute (name text, at timestamptz DEFAULT clock_timestamp())")
    yield {**process_environment, **KNOWN, "PYTHONPATH": str(ROOT)}
    sql("DROP TABLE clocked_compute")


class Source(ThreadingHTTPServer):
    """A server whose one answer can be changed, and which can be told to fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rates: dict[str, int] = {"EUR": 1}
        self.failing: str = ""
        self.answers: list[int] = []
        self.etags: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/rates.json"


class Handler(BaseHTTPRequestHandler):
    server: Source

    def do_GET(self) -> None:
        body = json.dumps(self.server.rates).encode()
        etag = f'"{sum(self.server.rates.values())}"'
        if self.server.failing == "hang up":
            self.server.answers.append(0)
            return
        status = 503 if self.server.failing else 200
        if status == 200 and self.headers["If-None-Match"] == etag:
            status = 304
        self.server.answers.append(status)
        self.send_response(status)
        if status == 200:
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status == 200:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def source() -> Iterator[Source]:
    with Source() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


class Readers:
    """A ``clocked`` process that is ready; ``go`` lets it read on, ``answers`` waits for that."""

    def __init__(self, environment: dict[str, str], *arguments: object) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.acceptance.clocked", *map(str, arguments)],
            env=environment,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Readers:
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.communicate()

    def go(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write("go\n")
        self.popen.stdin.flush()

    def answers(self) -> list[Any]:
        found: list[Any] = json.loads(self.popen.communicate(timeout=60)[0])
        return found


def all_at_once(*running: Readers) -> list[Any]:
    """Let processes go together; all their answers."""
    for one in running:
        one.go()
    return [answer for one in running for answer in one.answers()]


def computed(name: str) -> int:
    ((found,),) = sql("SELECT count(*) FROM clocked_compute WHERE name = %s", name)
    return int(found)


def requested(key: str) -> int:
    ((found,),) = sql(
        "SELECT count(*) FROM kck_publish_change WHERE op = 'refresh' AND new = ARRAY[%s]", key
    )
    return int(found)


def body(key: str) -> Any:
    rows = sql("SELECT body FROM kck_publish_entry WHERE key = %s", key)
    return json.loads(bytes(rows[0][0])) if rows else None


def test_a_thousand_readers_of_what_is_softly_expired_cause_one_refresh(
    environment: dict[str, str], wait_until: Any
) -> None:
    with Readers(environment, "read", "soft", 1, 1) as first:
        assert all_at_once(first) == [1]
    passed = "SELECT soft_expire < clock_timestamp() FROM kck_publish_entry WHERE key = 'soft'"
    wait_until(lambda: sql(passed) == [(True,)])
    herd = [Readers(environment, "read", "soft", 50, 5) for _ in range(4)]
    with herd[0] as a, herd[1] as b, herd[2] as c, herd[3] as d:
        assert all_at_once(a, b, c, d) == [1] * 1000  # the old value, for all of them
    assert requested("soft") == 1
    listener = Process(environment, "--once")
    assert listener.wait() == 0, listener.lines
    assert computed("soft") == 2
    with Readers(environment, "read", "soft", 1, 1) as last:
        assert all_at_once(last) == [2]


def test_fifty_requests_are_one_compute_and_one_made_meanwhile_is_one_more(
    environment: dict[str, str], wait_until: Any
) -> None:
    with Readers(environment, "read", "slow", 1, 1) as first:
        assert all_at_once(first) == [1]
    herd = [Readers(environment, "request", "slow", 25, 1) for _ in range(2)]
    with herd[0] as a, herd[1] as b:
        assert all_at_once(a, b) == [None] * 50
    assert requested("slow") == 50
    with (
        Readers(environment, "request", "slow", 10, 1) as meanwhile,
        another_session() as session,
    ):
        session.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        listener = Process(environment)
        try:
            wait_until(lambda: computed("slow") == 2, 60)
            assert all_at_once(meanwhile) == [None] * 10
            session.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
            listener.wait_ready()
            wait_until(drained)
            assert computed("slow") == 3
            assert body("slow") == 3
        finally:
            assert listener.end() == 0, listener.lines


def test_a_remote_source_is_imported_on_schedule_and_outlived(
    environment: dict[str, str], source: Source, wait_until: Any
) -> None:
    environment["CLOCKED_URL"] = source.url
    listeners = [Process(environment).wait_ready(), Process(environment)]
    try:
        wait_until(lambda: body("rates_total") == 1, 30, "the first import")
        with Readers(environment, "watch", "rates") as watcher:
            wait_until(lambda: source.answers.count(304) >= 2, 30, "unchanged")
            before = computed("rates_total")  # twice: with the first import, and told of it
            version = sql("SELECT version, xmin::text FROM kck_publish_entry WHERE key = 'rates'")
            wait_until(lambda: source.answers.count(304) >= 5, 30, "unchanged")
            assert source.answers.count(200) == 1
            assert (
                sql("SELECT version, xmin::text FROM kck_publish_entry WHERE key = 'rates'")
                == version
            )
            assert computed("rates_total") == before  # nothing happens downstream

            source.rates = {"EUR": 1, "SEK": 11}
            wait_until(lambda: body("rates_total") == 12, 30, "a new value")
            assert computed("rates_total") == before + 1

            for failing in ("status", "hang up"):
                source.failing = failing
                seen = len(source.answers)
                wait_until(lambda: len(source.answers) > seen + 2, 60, failing)  # noqa: B023
            wait_until(
                lambda: sql("SELECT behind FROM kck_publish_entry WHERE key = 'rates'") == [(True,)]
            )
            assert body("rates") == {"EUR": 1, "SEK": 11}  # the last good value
            ((attempts,),) = sql("SELECT attempts FROM kck_publish_failure WHERE key = 'rates'")
            assert attempts >= 4
            assert computed("rates_total") == before + 1

            source.rates, source.failing = {"EUR": 1, "SEK": 12}, ""
            wait_until(lambda: body("rates_total") == 13, 60, "well again")
            wait_until(lambda: sql("SELECT * FROM kck_publish_failure") == [])
            assert computed("rates_total") == before + 2
            assert all_at_once(watcher) == [
                {"EUR": 1},
                {"EUR": 1, "SEK": 11},
                {"EUR": 1, "SEK": 12},
            ]
    finally:
        assert [one.end() for one in listeners] == [0, 0], [one.lines for one in listeners]
    assert source.answers.count(200) == 3
