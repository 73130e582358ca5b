"""A hub over the near store: it follows the file, and asks PostgreSQL for what is not in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kck_publish.contrib.live import near_file, process_hub
from kck_publish.contrib.live.events import VALUE, Event
from kck_publish.contrib.live.hub import Hub
from kck_publish.contrib.live.mailbox import Mailbox
from kck_publish.contrib.live.watchers import Board
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.stores.near.format import clock
from tests.catalog.fixtures import drain, followed, sql
from tests.catalog.models import Author, Book
from tests.live.conftest import page, rename
from tests.live.streams import Stream, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.fixture
def path(quick: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = str(tmp_path / "near")
    more = {"NEAR": path, "NEAR_LEASE": 2.0, "NEAR_SIZE": 4 * 2**20}
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, **more}
    monkeypatch.setattr(near_file, "PATIENCE", 20.0)  # however busy the machine is
    return path


@pytest.fixture
def near(path: str, authors: list[Author]) -> Iterator[int]:
    """The port of a server beside a near store that is followed."""
    with followed(path), serving() as port:
        yield port


def the_hub() -> Hub:
    hub = process_hub.running()
    assert hub is not None
    return hub


def connections_of_hubs() -> int:
    """How many connections follow for a hub, or are those on which one has asked."""
    listed = "SELECT count(*) FROM kck_publish_listener WHERE name LIKE 'live:%%'"
    ((follows,),) = sql(listed)
    ((kept,),) = sql("SELECT count(*) FROM kck_publish_consumer WHERE name LIKE 'live:%%'")
    near = the_hub()._near.watch
    asks = near is None or near._desk is not None
    return int(follows) + int(kept) + asks


def test_values_and_their_changes_come_without_a_query(near: int, authors: list[Author]) -> None:
    keys = [page(author) for author in authors]
    ((before,),) = sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    with Stream(near, *keys) as stream:
        assert {stream.next().value["name"], stream.next().value["name"]} == {"ann L", "bob L"}
        versions = [0]
        for name in ("eve", "fay", "gil"):
            rename(authors[0], name)
            event = stream.next()
            assert event.value["name"] == f"{name} L"
            versions.append(event.version)
        assert versions == sorted(set(versions))
        assert connections_of_hubs() == 0
    ((after,),) = sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert after <= before


def test_who_comes_back_is_told_what_was_missed_and_nothing_else(
    near: int, authors: list[Author]
) -> None:
    with Stream(near, page(authors[0])) as stream:
        seen = stream.next()
    with Stream(near, page(authors[0]), headers={"Last-Event-ID": seen.id or ""}) as stream:
        assert stream.silent()
    rename(authors[0], "eve")
    with Stream(near, page(authors[0]), headers={"Last-Event-ID": seen.id or ""}) as stream:
        later = stream.next()
        assert later.value["name"] == "eve L"
        assert later.version > seen.version
        assert stream.silent()


def test_what_does_not_fit_is_asked_for_and_what_is_removed_is_gone(
    near: int, authors: list[Author]
) -> None:
    with Stream(near, page(authors[0])) as stream:
        first = stream.next()
        Book.objects.create(author=authors[0], title="x" * 400_000)  # more than a 16th of the file
        drain()
        large = stream.next()
        assert len(large.value["books"][0][0]) == 400_000
        assert large.version > first.version
        sql("DELETE FROM catalog_book")
        drain()
        small = stream.next()
        assert (small.value["books"], small.version > large.version) == ([], True)
        sql("DELETE FROM catalog_author WHERE id = %s", authors[0].pk)
        drain()
        assert stream.next().event == "gone"


def test_without_the_file_the_hub_follows_postgresql_and_then_the_file_again(
    path: str, authors: list[Author], wait_until: Any
) -> None:
    assert path
    with ExitStack() as stack, serving() as port, Stream(port, page(authors[0])) as stream:
        assert stream.next().value["name"] == "ann L"
        assert connections_of_hubs() > 0
        for name in ("eve", "fay"):
            stack.enter_context(following(NearFollower("default")))
            wait_until(lambda: connections_of_hubs() == 0)
            rename(authors[0], name)
            assert stream.next().value["name"] == f"{name} L"
            stack.close()
            rename(authors[0], f"{name}s")
            assert stream.next().value["name"] == f"{name}s L"
            assert the_hub()._near.watch is None
        assert stream.silent()


def test_who_joins_waits_for_a_copy_that_is_no_older() -> None:
    board = Board()
    early, late = Mailbox(["a"]), Mailbox(["a"])
    early.joined, late.joined = 1.0, 3.0
    for mailbox in (early, late):
        board.join(mailbox)
    for at, told in ((2.0, [early]), (4.0, [late])):
        assert board.begin(["a"], at)["a"] == told
        board.end(board.begin(["a"], at), {"a": Event("a", VALUE, int(at), b"1")})
        for mailbox in told:
            assert mailbox.take(0.0) is not None


def test_what_postgresql_has_told_is_followed_by_no_older_copy(
    near: int, authors: list[Author]
) -> None:
    """The file is read only once it is true as of a moment after PostgreSQL was asked."""
    with Stream(near, page(authors[0])) as stream:
        stream.next()
        watch = the_hub()._near.watch
        assert watch is not None
        watch._asked[page(authors[0])] = clock() + 60
        rename(authors[0], "eve")
        assert stream.silent(1.0)
        watch._asked.clear()
        watch.wake()
        assert stream.next().value["name"] == "eve L"
