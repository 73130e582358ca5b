"""``kck_connect``, against a real HTTP server that behaves as Kafka Connect's REST interface does.

After https://docs.confluent.io/platform/current/connect/references/restapi.html: PUT of a config
creates (201) or updates (200), DELETE answers 204 or 404, a rebalance 409, and a validation lists
errors by field.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest
from django.core.management import CommandError, call_command

from kck_publish.contrib.kafka import Connector, registry

AUTH = "Basic dXNlcjpzZWNyZXQ="


class RestInterface(BaseHTTPRequestHandler):
    """Keeps connectors in memory; what is busy, or starting, is so for a few requests."""

    connectors: ClassVar[dict[str, dict[str, Any]]] = {}
    busy: ClassVar[list[int]] = []
    starting: ClassVar[int] = 0
    states: ClassVar[dict[str, str]] = {}

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, body: Any = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refused(self) -> bool:
        self.body = json.loads(
            self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
        )
        if self.headers.get("Authorization") != AUTH:
            self.answer(401, {"error_code": 401, "message": "who are you"})
            return True
        if self.busy:
            status = self.busy.pop()
            self.answer(status, {"error_code": status, "message": "rebalancing"})
            return True
        return False

    def do_GET(self) -> None:
        if self.refused():
            return
        parts = [unquote(one) for one in self.path.strip("/").split("/")]
        if parts == ["connectors"]:
            self.answer(200, sorted(self.connectors))
        elif parts[1] not in self.connectors:
            self.answer(404, {"error_code": 404, "message": f"Connector {parts[1]} not found"})
        else:
            cls = type(self)
            state = self.states.get(parts[1], "RUNNING")
            if cls.starting:
                cls.starting -= 1
                state = "UNASSIGNED"
            tasks = [{"id": 0, "state": state}]
            self.answer(200, {"connector": {"state": "RUNNING"}, "tasks": tasks})

    def do_PUT(self) -> None:
        if self.refused():
            return
        parts = [unquote(one) for one in self.path.strip("/").split("/")]
        if parts[0] == "connector-plugins":
            errors = [] if self.body.get("topics") else ["Must configure one of topics"]
            value = {"name": "topics", "errors": errors}
            self.answer(200, {"error_count": len(errors), "configs": [{"value": value}]})
        elif not self.body.get("connector.class"):
            self.answer(400, {"error_code": 400, "message": "no connector.class"})
        else:
            known = parts[1] in self.connectors
            self.connectors[parts[1]] = self.body
            self.answer(200 if known else 201, {"name": parts[1], "config": self.body})

    def do_DELETE(self) -> None:
        if self.refused():
            return
        name = unquote(self.path.strip("/").split("/")[1])
        if self.connectors.pop(name, None) is None:
            self.answer(404, {"error_code": 404, "message": "not found"})
        else:
            self.answer(204)


@pytest.fixture
def server(settings: Any) -> Iterator[type[RestInterface]]:
    RestInterface.connectors, RestInterface.busy = {}, []
    RestInterface.starting, RestInterface.states = 0, {}
    http = ThreadingHTTPServer(("127.0.0.1", 0), RestInterface)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    connect = {
        "url": f"http://127.0.0.1:{http.server_port}",
        "auth": ("user", "secret"),
        "prefix": "shop.",
        "pause": 0.01,
    }
    settings.KCK_PUBLISH = {"KAFKA": {"connect": connect}}
    yield RestInterface
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def declared() -> Iterator[type[Connector]]:
    before = dict(registry.connectors)

    class Source(Connector):
        name = "source/1"
        config: ClassVar[dict[str, Any]] = {"connector.class": "io.x.Source", "topics": "a"}

    yield Source
    registry.connectors.clear()
    registry.connectors.update(before)


def connect(*args: str) -> None:
    call_command("kck_connect", *args)


def test_a_connector_is_validated_published_and_watched(server: Any, capsys: Any) -> None:
    server.busy += [409, 503]
    server.starting = 2
    connect("--validate", "--publish", "--check-status")
    said = capsys.readouterr().out
    assert said.splitlines() == [
        "shop.source/1: valid",
        "shop.source/1: created",
        "shop.source/1: RUNNING",
    ]
    assert server.connectors["shop.source/1"]["topics"] == "a"
    connect("source/1", "--publish")
    assert "updated" in capsys.readouterr().out
    connect("--list")
    assert capsys.readouterr().out == "shop.source/1\n"


def test_what_is_wrong_is_named_and_may_be_ignored(server: Any, declared: Any, capsys: Any) -> None:
    declared.config = {"connector.class": "io.x.Source"}
    with pytest.raises(CommandError, match="1 connectors have failed"):
        connect("--validate", "--publish")
    assert "topics: Must configure one of topics" in capsys.readouterr().err
    assert server.connectors == {}
    connect("--validate", "--publish", "--ignore-failures")
    connect("--publish")
    server.states["shop.source/1"] = "FAILED"
    with pytest.raises(CommandError):
        connect("--check-status")
    assert "is FAILED" in capsys.readouterr().err
    with pytest.raises(CommandError, match="nothing is declared under this name"):
        connect("sourse", "--publish")


def test_one_that_is_marked_is_removed(server: Any, declared: Any, capsys: Any) -> None:
    connect("--publish")
    declared.mark_for_removal = True
    connect("--publish", "--check-status")
    connect("--publish")
    assert server.connectors == {}
    assert "is gone" in capsys.readouterr().out


def test_a_server_that_is_away_is_named_without_its_password(
    server: Any, settings: Any, capsys: Any
) -> None:
    kafka = settings.KCK_PUBLISH["KAFKA"]["connect"]
    gone = {**kafka, "url": "http://127.0.0.1:1", "retries": 1}
    settings.KCK_PUBLISH = {"KAFKA": {"connect": gone}}
    with pytest.raises(CommandError):
        connect("--publish")
    assert "does not answer (ConnectError)" in (said := capsys.readouterr().err)
    assert "secret" not in said
    settings.KCK_PUBLISH = {"KAFKA": {"connect": {**kafka, "auth": None}}}
    with pytest.raises(CommandError):
        connect("--publish")
    assert "401 who are you" in capsys.readouterr().err
    settings.KCK_PUBLISH = {"KAFKA": {}}
    with pytest.raises(CommandError, match="names no server"):
        connect("--publish")
