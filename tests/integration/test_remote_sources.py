"""Remote sources that answer oddly, change their place, or are declared wrongly."""

from __future__ import annotations

import gzip
import os
import time
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist

from kck_publish import UNCHANGED, Fetched, FetchFailed, FileSource, HttpSource, InvalidPrimer
from kck_publish.testing import travel
from tests.integration.test_remote import Asked, Server, declare, refresh, server, servers

__all__ = ["declare", "server", "servers"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("status", [202, 203, 204, 206])
def test_only_200_is_the_value(server: Server, status: int) -> None:
    server.answer = lambda asked: asked.say(status, b"" if status == 204 else b"part")
    with pytest.raises(FetchFailed, match=f"status {status}"):
        HttpSource(server.url).fetch({}, {})


def head_that_drips(asked: Asked) -> None:
    """A byte comes long before the timeout of each wait, and the head never ends."""
    asked.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(50):
        asked.wfile.write(b"X-%d: 1\r\n" % number)
        asked.wfile.flush()
        time.sleep(0.05)  # the slowness is what is tested
    asked.wfile.write(b"\r\n1")


def redirects_that_drip(asked: Asked) -> None:
    time.sleep(0.2)
    asked.say(302, Location=f"/{len(asked.server.asked)}")


@pytest.mark.parametrize("answer", [head_that_drips, redirects_that_drip])
def test_the_timeout_is_that_of_the_whole_fetch(server: Server, answer: Any) -> None:
    server.answer = answer
    with pytest.raises(FetchFailed, match="TimeoutError"):
        HttpSource(server.url, timeout=0.5).fetch({}, {})


@pytest.mark.parametrize(
    "options",
    [
        {"gone": 410},
        {"gone": ["410"]},
        {"gone": "410"},
        {"timeout": "5"},
        {"timeout": timedelta(seconds=5)},
        {"timeout": float("inf")},
        {"timeout": None},
        {"max_bytes": "5"},
        {"headers": ["Accept"]},
    ],
    ids=str,
)
def test_wrong_options_are_refused_where_they_stand(options: Any) -> None:
    with pytest.raises(InvalidPrimer, match="HttpSource: "):
        HttpSource("http://127.0.0.1/", **options)


def test_gone_may_be_anything_that_can_be_gone_through(server: Server) -> None:
    source = HttpSource(server.url, gone=(status for status in (404,)))
    server.answer = lambda asked: asked.say(404)
    for _ in range(2):
        with pytest.raises(ObjectDoesNotExist):
            source.fetch({}, {})


@pytest.mark.parametrize(
    "changed",
    [lambda url: {"url": url + "/new"}, lambda url: {"headers": {"Accept": "new"}}],
    ids=["url", "headers"],
)
def test_another_source_is_not_asked_by_the_words_of_the_last_one(
    server: Server, declare: Any, changed: Any
) -> None:
    """A server compares times, and so says "unchanged" of what it has never given."""

    def answer(asked: Asked) -> None:
        if asked.headers["If-Modified-Since"]:
            asked.say(304)
        else:
            now = asked.path == "/new" or asked.headers["Accept"] == "new"
            said = {"Last-Modified": "Sun, 01 Mar 2020 12:00:00 GMT"}
            asked.say(200, b'"new"' if now else b'"old"', **said)

    server.answer = answer
    Remote = declare(source=HttpSource(server.url + "/old", headers={"Accept": "old"}))  # noqa: N806
    assert Remote.cached.get() == "old"
    Remote.source = replace(Remote.source, **changed(server.url))
    refresh()
    assert Remote.cached.get() == "new"


def test_a_source_that_may_change_within_the_second_is_read_again(
    server: Server, declare: Any
) -> None:
    """Its next value may have the same Last-Modified."""
    values = [b"1", b"2"]

    def answer(asked: Asked) -> None:
        if asked.headers["If-Modified-Since"]:
            asked.say(304)
        else:
            asked.say(200, values.pop(0), Last_Modified=asked.date_time_string())

    server.answer = answer
    Remote = declare(source=HttpSource(server.url))  # noqa: N806
    assert Remote.cached.get() == 1
    refresh()
    assert Remote.cached.get() == 2


@pytest.mark.parametrize(
    ("coding", "body", "data"),
    [
        ("gzip", gzip.compress(b"[1]"), b"[1]"),
        ("deflate", zlib.compress(b"[1]"), b"[1]"),
        ("identity", b"[1]", b"[1]"),
        ("gzip", gzip.compress(b"1" * 1001), "more than 1000 bytes"),
        ("gzip", gzip.compress(b"[1]")[:-1], "cut off"),
        ("gzip", b"[1]", "an answer that is no gzip"),
        ("br", b"[1]", "an answer in the coding br"),
    ],
    ids=["gzip", "deflate", "identity", "too-large", "cut-off", "no-gzip", "unknown"],
)
def test_content_codings(server: Server, coding: str, body: bytes, data: bytes | str) -> None:
    server.answer = lambda asked: asked.say(200, body, Content_Encoding=coding)
    source = HttpSource(server.url, max_bytes=1000)
    if isinstance(data, bytes):
        assert source.fetch({}, {}) == Fetched(data)
    else:
        with pytest.raises(FetchFailed, match=data):
            source.fetch({}, {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_whole(server: Server, declare: Any, encoding: str) -> None:
    text = '{"of": "é", "count": 12345678901234567890123}'
    server.answer = lambda asked: asked.say(200, text.encode(encoding))
    Remote = declare(source=HttpSource(server.url))  # noqa: N806
    assert Remote.cached.get() == {"of": "é", "count": 12345678901234567890123}


def test_a_file_that_was_copied_over_is_read(declare: Any, tmp_path: Path) -> None:
    """By a program that keeps the times; its size is the same."""
    path = tmp_path / "rates.json"
    path.write_text("1")
    os.utime(path, ns=(10**18, 10**18))
    Remote = declare(source=FileSource(path))  # noqa: N806
    with travel(timedelta(minutes=1)):
        assert Remote.cached.get() == 1
        path.write_text("2")
        os.utime(path, ns=(10**18, 10**18))
        refresh()
        assert Remote.cached.get() == 2


def test_a_file_that_may_be_written_in_the_same_tick_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    path.write_text("1")
    source = FileSource(path)
    assert source.fetch({}, {}) == Fetched(b"1", {})
    with travel(timedelta(minutes=1)):
        answer = source.fetch({}, {})
        assert isinstance(answer, Fetched)
        assert source.fetch(answer.state, {}) is UNCHANGED


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FetchFailed, match="not a file"):
        FileSource(tmp_path / "pipe").fetch({}, {})
