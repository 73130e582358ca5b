"""Streams: what is sent, from where on, and what is never sent twice or late."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection

from kck_publish import Cache
from kck_publish.contrib.live import process_hub
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Author, Book
from tests.catalog.primers import interfere
from tests.live.conftest import page, rename
from tests.live.streams import Stream, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
cache = Cache.get_instance()


def names(event: Any) -> str:
    return str(event.value["name"])


def test_the_value_comes_first_and_then_each_change(port: int, authors: list[Author]) -> None:
    with Stream(port, page(authors[0])) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        first = stream.next()
        assert (first.event, first.data["key"]) == ("value", page(authors[0]))
        assert first.id == str(first.version)
        assert first.value == {"name": "ann L", "books": []}
        rename(authors[0], "eve")
        second = stream.next()
        assert names(second) == "eve L"
        assert second.version > first.version
        rename(authors[1], "zoe")
        assert stream.silent()


def test_many_keys_share_a_stream_and_many_streams_a_read(port: int, authors: list[Author]) -> None:
    keys = [page(author) for author in authors]
    streams = [Stream(port, *keys) for _ in range(12)]
    for stream in streams:
        assert {stream.next().data["key"], stream.next().data["key"]} == set(keys)
    hub = process_hub.running()
    assert hub is not None
    before = hub.reads
    rename(authors[0], "eve")
    assert [names(stream.next()) for stream in streams] == ["eve L"] * 12
    assert hub.reads - before <= 4  # and the other page, which the listener has adopted
    for stream in streams:
        stream.close()


def test_versions_alone(port: int, authors: list[Author]) -> None:
    with Stream(port, page(authors[0]), query=[("body", "0")]) as stream:
        assert stream.next().data.keys() == {"key", "version"}


def test_a_client_that_comes_back_is_told_what_it_has_missed(
    port: int, authors: list[Author]
) -> None:
    key = page(authors[0])
    with Stream(port, key) as stream:
        seen = stream.next()
    for resumed in ({"Last-Event-ID": seen.id}, {}):
        query = [] if resumed else [("since", seen.id)]
        with Stream(port, key, headers=resumed, query=query) as stream:  # type: ignore[arg-type]
            assert stream.silent()
            rename(authors[0], f"after {len(query)}")
            later = stream.next()
            assert names(later) == f"after {len(query)} L"
            assert later.version > seen.version
        seen = later
    rename(authors[0], "meanwhile")
    with Stream(port, key, headers={"Last-Event-ID": seen.id or ""}) as stream:
        assert names(stream.next()) == "meanwhile L"
        assert stream.silent()


def test_of_several_keys_a_client_is_told_the_one_that_changed(
    port: int, authors: list[Author], wait_until: Any
) -> None:
    keys = [page(author) for author in authors]
    with Stream(port, *keys) as stream:
        stream.next()
        last = stream.next()
    hub = process_hub.running()
    assert hub is not None
    wait_until(lambda: hub.count == 0)
    rename(authors[0], "missed")  # the one whose version was smaller, perhaps
    rename(authors[1], "missed")
    for author in authors:
        with Stream(port, *keys, headers={"Last-Event-ID": last.id or ""}) as stream:
            assert [names(stream.next()), names(stream.next())] == ["missed L"] * 2
            assert stream.silent(0.1)
        assert author


def test_one_version_a_key_is_exact_at_any_hub(quick: None, authors: list[Author]) -> None:
    keys = [page(author) for author in authors]
    with serving() as port, Stream(port, *keys) as stream:
        versions = {event.data["key"]: event.version for event in (stream.next(), stream.next())}
    rename(authors[1], "missed")
    with serving() as port:  # another hub
        since = [("since", str(versions[key])) for key in keys]
        with Stream(port, *keys, query=since) as stream:
            assert names(stream.next()) == "missed L"
            assert stream.silent()
        # It knows nothing of this client: what may have been missed is sent, as what it is.
        last = {"Last-Event-ID": str(max(versions.values()))}
        with Stream(port, *keys, headers=last) as stream:
            while (event := stream.next()).data["key"] != keys[1]:
                assert event.version == versions[event.data["key"]]
            assert event.version > versions[keys[1]]


def test_what_is_removed_is_gone_and_what_comes_back_is_told(
    port: int, authors: list[Author]
) -> None:
    with Stream(port, page(authors[0])) as stream:
        first = stream.next()
        sql("DELETE FROM catalog_author WHERE id = %s", authors[0].pk)
        drain()
        gone = stream.next()
        assert (gone.event, gone.data) == (
            "gone",
            {"key": page(authors[0]), "version": first.version},
        )
        Author.objects.create(pk=authors[0].pk, slug="new", first="new", last="L")
        drain()
        cache.get(page(authors[0]))
        back = stream.next()
        assert names(back) == "new L"
        assert back.version > first.version


def test_what_there_is_not_is_gone_at_once(port: int, authors: list[Author]) -> None:
    with Stream(port, "author_page/0") as stream:
        assert (stream.next().event, stream.silent()) == ("gone", True)


def test_a_value_that_is_not_stored_is_primed(port: int) -> None:
    author = Author.objects.create(slug="new", first="new", last="L")
    with Stream(port, page(author)) as stream:
        assert names(stream.next()) == "new L"
    assert cache.is_set(page(author))


def test_an_operator_who_clears_the_store_leaves_no_page_without_a_value(
    port: int, authors: list[Author]
) -> None:
    with Stream(port, page(authors[0])) as stream:
        first = stream.next()
        cache.clear()
        assert stream.next().event == "gone"
        assert stream.next().version > first.version


@pytest.mark.long
def test_a_slow_client_gets_the_newest_value_and_costs_one_event(
    port: int, authors: list[Author]
) -> None:
    book = Book.objects.create(author=authors[0], title="")
    drain()
    with Stream(port, page(authors[0]), buffer=4096) as slow, Stream(port, page(authors[0])) as ok:
        for count in range(12):  # far more than the buffers of the sockets hold
            Book.objects.filter(pk=book.pk).update(title=f"{count:02}" + "y" * 1_000_000)
            drain()
            while not ok.next().value["books"][0][0].startswith(f"{count:02}"):
                pass
        hub = process_hub.running()
        assert hub is not None
        assert all(client.size <= 1 for client in hub.clients)
        versions, event = [], slow.next()
        while not event.value["books"][0][0].startswith("11"):
            versions.append(event.version)
            event = slow.next()
        assert versions == sorted(set(versions))
        assert len(versions) < 11


def test_an_interval_is_kept_and_the_last_value_comes(port: int, authors: list[Author]) -> None:
    book = Book.objects.create(author=authors[0], title="b")
    with Stream(port, f"stock/{book.pk}") as stream:
        assert stream.next().value == 0
        begun = time.monotonic()
        for copies in range(1, 31):
            cache.set(f"stock/{book.pk}", copies)
        values = [stream.next().value]
        while values[-1] != 30:
            values.append(stream.next().value)
        assert len(values) <= 2 + (time.monotonic() - begun) / 0.3


def test_a_stream_that_has_nothing_to_say_says_that_it_is_alive(
    port: int, authors: list[Author]
) -> None:
    with Stream(port, page(authors[0])) as stream:
        stream.next()
        assert stream.silent(0.9)
        assert "alive" in stream.comments


def test_what_is_compressed_says_the_same(port: int, authors: list[Author]) -> None:
    keys = [page(author) for author in authors]
    for title in ("a" * 1000, "b" * 50):
        Book.objects.create(author=authors[0], title=title)
    drain()
    with (
        Stream(port, *keys) as plain,
        Stream(port, *keys, headers={"Accept-Encoding": "br, gzip"}) as packed,
    ):
        assert packed.headers["Content-Encoding"] == "gzip"
        assert [plain.next(), plain.next()] == [packed.next(), packed.next()]
        rename(authors[1], "eve")
        assert plain.next() == packed.next()


def test_a_stream_takes_no_thread_and_no_connection(port: int, authors: list[Author]) -> None:
    def costs() -> tuple[int, int]:
        (count,) = sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")[
            0
        ]
        return threading.active_count(), count

    with Stream(port, page(authors[0])) as stream:
        stream.next()
        before = costs()
        others = [Stream(port, page(author)) for author in authors for _ in range(10)]
        for other in others:
            other.next()
        after = costs()
        for other in others:
            other.close()
    # The threads that prime and ask for rights are a few, whatever the number of streams.
    assert after[0] <= before[0] + 4
    assert after[1] <= before[1] + 4


def test_a_failing_compute_ends_no_stream(port: int, authors: list[Author]) -> None:
    def fail(product: str, parameters: Any) -> None:
        if product == "author_page" and failing:
            raise RuntimeError("no")

    failing = [True]
    interfere.append(fail)
    try:
        author = Author.objects.create(slug="new", first="new", last="L")
        with Stream(port, page(author)) as stream:
            assert stream.silent(0.3)
            failing.clear()
            assert names(stream.next()) == "new L"
    finally:
        interfere.remove(fail)


def test_a_hub_that_nobody_needs_ends_and_leaves_nothing(port: int, authors: list[Author]) -> None:
    with Stream(port, page(authors[0])) as stream:
        stream.next()
        assert sql("SELECT count(*) FROM kck_publish_consumer WHERE name LIKE 'live:%%'") == [(1,)]
    hub = process_hub.running()
    assert hub is not None
    hub._thread.join(10)
    assert process_hub.running() is None
    assert sql("SELECT count(*) FROM kck_publish_consumer WHERE name LIKE 'live:%%'") == [(0,)]
    with Stream(port, page(authors[0])) as stream:
        assert names(stream.next()) == "ann L"


def test_a_hub_that_loses_its_connections_catches_up(port: int, authors: list[Author]) -> None:
    with Stream(port, page(authors[0])) as stream:
        first = stream.next()
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        rename(authors[0], "eve")
        later = stream.next()
        assert names(later) == "eve L"
        assert later.version > first.version
        rename(authors[0], "fay")
        assert names(stream.next()) == "fay L"
    connection.close()
