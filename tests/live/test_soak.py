"""Clients against random changes, ended and killed hubs, lost connections and cut streams.

Each client resumes as browsers do. In the end each has what a fresh compute gives, and none has
seen an older version after a newer one. ``KCK_TEST_LIVE_ROUNDS`` says how many changes there are.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kck_publish import Cache
from kck_publish.contrib.live import close_hub
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Author, Book
from tests.catalog.primers import AuthorPage
from tests.faults.proxy import Proxy
from tests.live.conftest import page
from tests.live.server_process import ServerProcess
from tests.live.streams import Stream, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
ROUNDS = int(os.environ.get("KCK_TEST_LIVE_ROUNDS", "60"))


class Reader(threading.Thread):
    """A client that comes back for as long as the test runs."""

    def __init__(self, port: int, keys: list[str], exact: bool, slow: float) -> None:
        super().__init__(daemon=True)
        self._port, self._keys, self._exact, self._slow = port, keys, exact, slow
        self.shown: dict[str, Any] = {}
        self.versions: dict[str, int] = {}
        self.last: str | None = None
        self.wrong: list[str] = []
        self.came = self.got = 0
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.ended.is_set():
            with suppress(OSError, EOFError):
                self._follow()
            self.ended.wait(0.02)

    def _follow(self) -> None:
        query, headers = [], {}
        if self._exact:
            query = [("since", str(self.versions.get(key, 0))) for key in self._keys]
        elif self.last:
            headers = {"Last-Event-ID": self.last}
        buffer = 4096 if self._slow else None
        with Stream(self._port, *self._keys, query=query, headers=headers, buffer=buffer) as stream:
            self.came += stream.status == 200
            while stream.status == 200 and not self.ended.is_set():
                with suppress(TimeoutError):
                    self._take(stream.next(0.2))
                    self.last = stream.last_id
                    time.sleep(self._slow)

    def _take(self, event: Any) -> None:
        self.got += 1
        key = event.data["key"]
        if event.event != "value":
            self.shown.pop(key, None)
            return
        if event.version < self.versions.get(key, 0):
            self.wrong.append(f"{key}: {event.version} after {self.versions[key]}")
        self.versions[key], self.shown[key] = event.version, event.value


def test_whatever_happens_everybody_ends_with_what_is_true(quick: None, wait_until: Any) -> None:
    with serving() as port:
        _soak(port, close_hub, 12, wait_until)


def test_over_the_near_store_too(
    quick: None, settings: Any, tmp_path: Path, wait_until: Any
) -> None:
    near = {"NEAR": str(tmp_path / "near"), "NEAR_LEASE": 0.5}
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, **near}
    follower = NearFollower("default")
    with following(follower), serving() as port:
        assert follower.following.wait(20)
        _soak(port, close_hub, 12, wait_until)


def test_a_hub_that_is_killed_is_followed_by_the_next(
    process_environment: dict[str, str], wait_until: Any
) -> None:
    with ServerProcess("uvicorn", process_environment) as server:
        _soak(server.port, server.kill, 40, wait_until)
        assert server.killed
        print(f"{server.killed} kills")


def _soak(port: int, end: Callable[[], None], seldom: int, wait_until: Any) -> None:
    """Change at random, and break what is between.

    Args:
        end: ends the hub.
        seldom: once in so many changes, and once in the middle.
    """
    chance = random.Random(5)
    authors = [Author.objects.create(slug=f"a{n}", first=f"{n}", last="L") for n in range(6)]
    keys = [page(author) for author in authors]
    with Proxy("127.0.0.1", port) as proxy:
        readers = [
            Reader(proxy.port, chance.sample(keys, chance.randint(1, 6)), n % 2 == 0, slow)
            for n, slow in enumerate([0.0] * 8 + [0.05] * 2)
        ]
        try:
            for number in range(ROUNDS):
                _change(chance, authors, number)
                if chance.random() < 0.8:
                    drain()
                _break(chance, proxy)
                if number == ROUNDS // 2 or chance.randrange(seldom) == 0:
                    end()
            drain()
            assert_fresh("author_page")
            for reader in readers:
                wait_until(lambda: _is_true(reader, authors), 30, f"{reader.shown}")  # noqa: B023
        finally:
            for reader in readers:
                reader.ended.set()
            for reader in readers:
                reader.join(10)
    assert [reader.wrong for reader in readers] == [[]] * len(readers)
    assert all(reader.came > 1 for reader in readers)  # all of them were cut off
    events, streams = (sum(getattr(each, what) for each in readers) for what in ("got", "came"))
    print(f"{ROUNDS} changes, {events} events, {streams} streams")


def _change(chance: random.Random, authors: list[Author], number: int) -> None:
    author = chance.choice(authors)
    what = chance.randrange(5)
    if what == 0:
        Book.objects.create(author=author, title=f"{number}")
    elif what == 1:
        sql("DELETE FROM catalog_book WHERE author_id = %s", author.pk)
    elif what == 2:
        Cache.get_instance().unset(page(author))
    elif what == 3:  # deleted, and there again
        Book.objects.filter(author=author).delete()
        Author.objects.filter(pk=author.pk).delete()
        drain()
        Author.objects.create(pk=author.pk, slug=f"n{number}", first=f"{number}", last="L")
    else:
        Author.objects.filter(pk=author.pk).update(first=f"{number}")


def _break(chance: random.Random, proxy: Proxy) -> None:
    what = chance.randrange(12)
    if what == 0:
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    elif what < 4:
        proxy.cut(lambda link: chance.random() < 0.5)


def _is_true(reader: Reader, authors: list[Author]) -> bool:
    """Whether it shows what is stored; what is not is primed by reading it."""
    keys = {page(author): author.pk for author in authors}
    stored = {key: AuthorPage.cached.get_bytes(author=keys[key]) for key in reader._keys}
    return reader.shown == {key: json.loads(body) for key, body in stored.items()}
