"""Products of remote sources: conditional fetches, limits, and the last good value."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import quote

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction

from kck_publish import (
    UNCHANGED,
    Cache,
    Fetched,
    FetchFailed,
    FileSource,
    HttpSource,
    InvalidPrimer,
    Primer,
    RemotePrimer,
    Retry,
    StringParameter,
)
from kck_publish.listener.maintenance.forget import Forgetting
from kck_publish.products import registry
from kck_publish.testing import travel
from tests.catalog.fixtures import another_session, computes, drain, physical, sql
from tests.catalog.primers import Anything, note

cache = Cache.get_instance()
pytestmark = pytest.mark.django_db(transaction=True)
Answer = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """Answers as the test says, and keeps the requests."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        self.server.answer(self)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer = staticmethod(lambda asked: asked.say(200, b"1", ETag='"1"'))

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def conditions(self) -> list[str | None]:
        return [headers.get("If-None-Match") for _, headers in self.asked]


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    running = [Server(), Server()]
    threads = [threading.Thread(target=one.serve_forever, args=[0.02]) for one in running]
    for thread in threads:
        thread.start()
    yield running
    for one in running:
        one.shutdown()
        one.server_close()
    for thread in threads:
        thread.join(10)


@pytest.fixture
def server(servers: list[Server]) -> Server:
    return servers[0]


@pytest.fixture
def declare() -> Iterator[Callable[..., type[RemotePrimer]]]:
    """Declare a remote product, ``remote``, for this test."""

    def declare(**attributes: Any) -> type[RemotePrimer]:
        return type("Remote", (RemotePrimer,), {"key": "remote", **attributes})

    yield declare
    registry.unregister("remote")


def holds(etag: str, body: bytes) -> Answer:
    """A source with this value, that knows it again."""

    def answer(asked: Asked) -> None:
        if asked.headers["If-None-Match"] == etag:
            asked.say(304)
        else:
            asked.say(200, body, ETag=etag)

    return answer


def refresh(key: str = "remote") -> None:
    cache.refresh(key)
    drain()


def test_unchanged_writes_nothing_and_wakes_nobody(server: Server, declare: Any) -> None:
    class Over(Primer):
        key = "over_remote"
        depends_on = ("remote",)

        def compute(self) -> int:
            note("over_remote")
            return int(cache.get("remote")) + 1

    try:
        declare(source=HttpSource(server.url + "/x"))
        server.answer = holds('"a"', b"1")
        assert (cache.get("remote"), cache.get("over_remote")) == (1, 2)
        drain()
        before = physical("remote")
        with computes() as seen:
            refresh()
            refresh()
        assert server.conditions == [None, '"a"', '"a"']
        assert physical("remote") == before
        assert seen == []
        server.answer = holds('"b"', b"5")
        refresh()
        assert (cache.get("remote"), cache.get("over_remote")) == (5, 6)
    finally:
        registry.unregister("over_remote")


def test_by_the_time_of_change_too(server: Server, declare: Any) -> None:
    declare(source=HttpSource(server.url))
    at = "Sun, 01 Mar 2020 12:00:00 GMT"

    def answer(asked: Asked) -> None:
        known = asked.headers["If-Modified-Since"] == at
        asked.say(304) if known else asked.say(200, b"[1]", Last_Modified=at)

    server.answer = answer
    assert cache.get("remote") == [1]
    refresh()
    assert [headers.get("If-Modified-Since") for _, headers in server.asked] == [None, at]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: cache.set("remote", 99),
        lambda: cache.unset("remote"),
        lambda: cache.clear(),
        lambda: sql("UPDATE kck_publish_fetch SET value = 'of another value'"),
    ],
    ids=["set by hand", "unset", "cleared", "cut off before it was stored"],
)
def test_it_is_only_asked_what_has_changed_since_the_value_that_is_stored(
    server: Server, declare: Any, spoil: Callable[[], Any]
) -> None:
    declare(source=HttpSource(server.url))
    server.answer = holds('"a"', b"1")
    assert cache.get("remote") == 1
    spoil()
    refresh()
    assert cache.get("remote") == 1
    assert server.conditions == [None, None]
    refresh()
    assert server.conditions[2:] == ['"a"']


def test_what_was_rolled_back_is_not_remembered(server: Server, declare: Any) -> None:
    declare(source=HttpSource(server.url))
    with transaction.atomic():
        assert cache.get("remote") == 1
        transaction.set_rollback(True)
    assert sql("SELECT * FROM kck_publish_fetch") == []
    assert cache.get("remote") == 1


def test_the_last_good_value_is_kept_while_the_source_fails(
    server: Server, declare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    Remote = declare(  # noqa: N806
        source=HttpSource(server.url + "/x?token=secret", headers={"Authorization": "secret"}),
        retry=Retry(max_retries=-1, delay=timedelta(minutes=1)),
    )
    caplog.set_level(logging.DEBUG)
    server.answer = holds('"a"', b"1")
    assert Remote.cached.get() == 1
    server.answer = lambda asked: asked.say(500)
    refresh()
    assert Remote.cached.get() == 1
    for name, expected in (("compute", FetchFailed), ("raise", Exception)):
        Remote.when_behind = name
        with pytest.raises(expected):
            Remote.cached.get()
    Remote.when_behind = "serve"
    server.answer = holds('"a"', b"1")
    with travel(timedelta(minutes=2)):
        drain()
    assert server.conditions[-1] == '"a"'  # unchanged, and well again
    assert sql("SELECT behind FROM kck_publish_entry WHERE key = 'remote'") == [(False,)]
    assert sql("SELECT count(*) FROM kck_publish_failure") == [(0,)]
    assert "secret" not in caplog.text
    assert "secret" not in repr(HttpSource(server.url, headers={"Authorization": "secret"}))


def drip(asked: Asked) -> None:
    asked.send_response(200)
    asked.end_headers()
    for _ in range(100):
        asked.wfile.write(b"1")
        asked.wfile.flush()
        time.sleep(0.05)  # the slowness is what is tested


def cut_off(asked: Asked) -> None:
    asked.say(200, b"[1", Content_Length="1000")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda asked: asked.say(500), "status 500"),
        (lambda asked: asked.say(404), "status 404"),
        (lambda asked: asked.say(304), "status 304"),  # though nothing was asked
        (lambda asked: asked.say(200, b"1" * 101), "more than 100 bytes"),
        (lambda asked: asked.say(302, Location="ftp://127.0.0.1/x"), "a redirect to ftp"),
        (lambda asked: asked.say(302, Location="file:///etc/passwd"), "status 302"),
        (lambda asked: asked.say(302, Location="/again"), "status 302"),
        (lambda asked: None, "RemoteDisconnected"),
        (drip, "TimeoutError"),
        (cut_off, "cut off"),
    ],
)
def test_bad_answers_are_named(server: Server, answer: Answer, reason: str) -> None:
    server.answer = answer
    source = HttpSource(f"{server.url}/x?token=secret", timeout=0.5, max_bytes=100)
    with pytest.raises(FetchFailed, match=reason) as caught:
        source.fetch({}, {})
    assert "secret" not in str(caught.value)


def test_nobody_there() -> None:
    with pytest.raises(FetchFailed, match="ConnectionRefusedError"):
        HttpSource("http://127.0.0.1:1/").fetch({}, {})


def test_gone_is_no_failure(server: Server, declare: Any) -> None:
    Remote = declare(source=HttpSource(server.url, gone=(404, 410)))  # noqa: N806
    assert Remote.cached.get() == 1
    server.answer = lambda asked: asked.say(404)
    refresh()
    with pytest.raises(ObjectDoesNotExist):
        Remote.cached.get()
    assert sql("SELECT count(*) FROM kck_publish_failure") == [(0,)]


def test_credentials_do_not_follow_to_another_host(servers: list[Server]) -> None:
    first, second = servers
    first.answer = lambda asked: (
        asked.say(200, b"2")
        if asked.path == "/here"
        else asked.say(302, Location="/here" if asked.path == "/same" else second.url + "/there")
    )
    source = HttpSource(first.url + "/{way}", headers=lambda: {"Authorization": "secret"})
    assert source.fetch({}, {"way": "same"}) == Fetched(b"2")
    assert source.fetch({"etag": '"x"'}, {"way": "other"}) == Fetched(b"1", ANY)
    assert [headers.get("Authorization") for _, headers in first.asked] == ["secret"] * 3
    ((path, headers),) = second.asked
    assert path == "/there"
    assert not {"Authorization", "If-None-Match"} & set(headers)


ELSEWHERE = (
    "..", ".", "", "../secret", "a/b", "/secret", "//evil.example/", "http://evil.example/",
    "%2e%2e", "%2E.", "%252e%252e", "a%2fb", "a%5Cb", "..%2fsecret", "..\\secret", "a\\b", "..;x",
    " ..", "a\0b", "a\nb", "\ud800", "a\r\nHost: evil.example",
)  # fmt: skip


@pytest.mark.parametrize("item", ELSEWHERE, ids=ascii)
def test_a_parameter_leads_out_of_no_path(server: Server, item: str) -> None:
    source = HttpSource(server.url + "/public/{item}", headers={"Authorization": "secret"})
    with pytest.raises(FetchFailed, match="would leave its segment of the path"):
        source.fetch({}, {"item": item})
    assert server.asked == []


@pytest.mark.parametrize(
    ("path", "item"), [("/a/.{item}", "."), ("/a/{item}.", "."), ("/{item}/b?of={item}", "..")]
)
def test_nor_with_what_stands_beside_it(server: Server, path: str, item: str) -> None:
    with pytest.raises(FetchFailed, match="would leave its segment of the path"):
        HttpSource(server.url + path).fetch({}, {"item": item})
    assert server.asked == []


@pytest.mark.parametrize("item", ["v..1", "...", "100%", "a b", "a:b", "é", "a;b", "?x", "#x", "~"])
def test_names_that_only_look_odd_are_sent_escaped(server: Server, item: str) -> None:
    HttpSource(server.url + "/public/{item}").fetch({}, {"item": item})
    ((path, _),) = server.asked
    assert path == "/public/" + quote(item, safe="")


def test_a_query_may_hold_any_text(server: Server) -> None:
    source = HttpSource(server.url + "/public/?of={item}")
    for item in ("..", "", "a/b", "http://evil.example/", "a\nb", "a&b=c"):
        source.fetch({}, {"item": item})
    assert all(path.startswith("/public/?of=") for path, _ in server.asked)
    assert "/" not in "".join(path[len("/public/?of=") :] for path, _ in server.asked)
    with pytest.raises(FetchFailed, match="UnicodeEncodeError"):
        source.fetch({}, {"item": "\ud800"})


def test_parameters_fill_the_url_escaped(server: Server, declare: Any) -> None:
    Remote = declare(  # noqa: N806
        parameters=[StringParameter("name")],
        source=HttpSource(server.url + "/a/{name}?of={name}"),
        read=lambda self, data, name: [data.decode(), name],
    )
    name = "b?c=1&d#é"
    assert Remote.cached.get(name=name) == ["1", name]
    quoted = "b%3Fc%3D1%26d%23%C3%A9"
    assert [path for path, _ in server.asked] == [f"/a/{quoted}?of={quoted}"]


def test_a_file(declare: Any, tmp_path: Path) -> None:
    path = tmp_path / "rates-eur.json"
    path.write_text("1")
    reads: list[bytes] = []

    def read(self: Any, data: bytes, currency: str) -> Any:
        reads.append(data)
        return int(data)

    Remote = declare(  # noqa: N806
        parameters=[StringParameter("currency")],
        source=FileSource(tmp_path / "rates-{currency}.json", max_bytes=10),
        read=read,
    )
    with travel(timedelta(minutes=1)):  # else it might be written again in the same tick
        assert Remote.cached.get(currency="eur") == 1
        refresh("remote/eur")
        assert reads == [b"1"]
    path.write_text("2")
    os.utime(path, ns=(1, 1))
    refresh("remote/eur")
    assert Remote.cached.get(currency="eur") == 2
    path.write_text("3" * 11)
    refresh("remote/eur")
    path.unlink()
    refresh("remote/eur")
    assert Remote.cached.get(currency="eur") == 2
    for outside in ("../x", "..", "a/b", "a\\b", ""):
        with pytest.raises(FetchFailed, match="no part of a file's name"):
            Remote.cached.get(currency=outside)
    with pytest.raises(FetchFailed, match="FileNotFoundError"):
        Remote.cached.get(currency="sek")


def test_a_fetch_of_ones_own(declare: Any) -> None:
    states: list[Mapping[str, Any]] = []
    answers: list[Any] = [Fetched([1], {"n": 1}), UNCHANGED, Fetched([2], {"n": 2}), Fetched([3])]

    def fetch(self: Any, state: Mapping[str, Any]) -> Any:
        states.append(state)
        return answers.pop(0)

    Remote = declare(fetch=fetch)  # noqa: N806
    assert Remote.cached.get() == [1]
    for expected in ([1], [2], [3]):
        refresh()
        assert Remote.cached.get() == expected
    assert states == [{}, {"n": 1}, {"n": 1}, {"n": 2}]
    answers.append(UNCHANGED)
    cache.unset("remote")
    with pytest.raises(InvalidPrimer, match="given no state"):
        Remote.cached.get()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: HttpSource("ftp://host/x"),
        lambda: HttpSource("file:///etc/passwd"),
        lambda: HttpSource("http:///x"),
        lambda: HttpSource("http://user:secret@host/x"),
        lambda: HttpSource("http://{name}/x"),
        lambda: HttpSource("http://host/{0}"),
        lambda: HttpSource("http://host/{name.__class__}"),
        lambda: HttpSource("http://host/{"),
        lambda: HttpSource("http://host/", timeout=0),
        lambda: FileSource("x", max_bytes=0),
    ],
)
def test_sources_that_cannot_work_are_refused(wrong: Callable[[], Any]) -> None:
    with pytest.raises(InvalidPrimer) as caught:
        wrong()
    assert "secret" not in str(caught.value)


def test_declarations_that_cannot_work_are_refused(declare: Any) -> None:
    with pytest.raises(InvalidPrimer, match="remote: set source, or write fetch"):
        declare()
    with pytest.raises(InvalidPrimer, match="remote: its source is filled with name"):
        declare(source=FileSource("{name}"))


def test_two_products_do_not_share_a_state(server: Server, declare: Any) -> None:
    declare(source=HttpSource(server.url + "/{name}"), parameters=[StringParameter("name")])
    Anything.values = {"a": 1}
    assert cache.get_many(["remote/a", "remote/b", "anything/a"]) == {
        "remote/a": 1,
        "remote/b": 1,
        "anything/a": 1,
    }
    assert server.conditions == [None, None]
    assert sql("SELECT key FROM kck_publish_fetch ORDER BY key") == [("remote/a",), ("remote/b",)]


def test_what_a_source_said_is_forgotten_with_the_value(
    declare: Callable[..., type[RemotePrimer]], server: Server
) -> None:
    server.answer = holds('"1"', b"5")
    declare(
        source=HttpSource(server.url + "/{name}"),
        parameters=[StringParameter("name")],
        eager=False,
    )
    assert list(cache.get_many(["remote/a", "remote/b", "remote/c"]).values()) == [5] * 3
    cache.unset("remote/a")
    cache.unset("remote/b")
    sql("UPDATE kck_publish_fetch SET at = at - interval '1 day' WHERE key <> 'remote/b'")
    with another_session() as desk:
        forgetting = Forgetting(desk, {})
        for _ in range(2):
            forgetting.forget_fetches()
            # That of b was just read: its value may be about to be stored.
            assert sql("SELECT key FROM kck_publish_fetch ORDER BY key") == [
                ("remote/b",),
                ("remote/c",),
            ]
