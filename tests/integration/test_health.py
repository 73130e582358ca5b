"""Health: of the web process, and of a listener over HTTP, by a file, and to systemd."""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.test.utils import isolate_apps
from django.urls import path

from kck_publish import devserver
from kck_publish.dashboard.asking import ask as ask_parts
from kck_publish.dashboard.overview import Overview
from kck_publish.dashboard.queries import STATE
from kck_publish.exceptions import ConfigurationError
from kck_publish.health import health
from kck_publish.listener.endpoint import address_of, health_routes, serving
from kck_publish.listener.heartbeat import LIMIT, Heartbeat
from kck_publish.listener.listener import Listener
from kck_publish.listener.supervisors import heartbeat_file, systemd
from kck_publish.status import status
from tests.catalog.fixtures import Session, drain, sql
from tests.catalog.models import Item
from tests.without_database import no_database

pytestmark = pytest.mark.django_db(transaction=True)
urlpatterns = [path("health/", health)]


def ask(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """A listener in a thread of its own."""
    session = Session(listener.run)
    try:
        yield
    finally:
        listener.stop()
        session.result()


def test_of_a_listener(transactional_db: None, wait_until: Callable[..., Any]) -> None:
    """Not ready before it follows, nor when it is over; live all the time."""
    listener, said = Listener("default", say=lambda line: None), list[str]()
    routes = health_routes(listener.heartbeat)
    with serving("127.0.0.1:0", routes, said.append) as (_, port):
        assert said == [f"kck_listen serves /live, /ready at http://127.0.0.1:{port}"]
        assert ask(port, "/ready")[0] == 503
        with listening(listener):
            wait_until(lambda: ask(port, "/ready")[0] == 200)
            status, told = ask(port, "/live")
            assert (status, told["ready"], told["shards"]) == (200, True, [0])
            sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            wait_until(lambda: listener.moments.lost.count)
            wait_until(lambda: ask(port, "/ready")[0] == 200)
        assert ask(port, "/ready")[0] == 503
        assert ask(port, "/live")[0] == 200
        assert ask(port, "/secret")[0] == 404


def test_a_listener_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ready once it is silent; not live long after. An announced compute is no silence."""
    heartbeat = Heartbeat()
    heartbeat.follows([0])
    now = time.monotonic()
    with override_settings(KCK_PUBLISH={"SILENCE": 10}):
        for after, ready, live in (
            (9, True, True),
            (11, False, True),
            (10 * LIMIT + 1, False, False),
        ):
            monkeypatch.setattr(time, "monotonic", lambda after=after: now + after)
            assert (heartbeat.is_ready, heartbeat.is_live) == (ready, live)
        monkeypatch.setattr(time, "monotonic", lambda: now)
        heartbeat.beat(60)
        monkeypatch.setattr(time, "monotonic", lambda: now + 65)
        assert heartbeat.is_ready


def test_the_heartbeat_file(tmp_path: Path, wait_until: Callable[..., Any]) -> None:
    listener, path = Listener("default", say=lambda line: None), tmp_path / "beat"
    with heartbeat_file(listener.heartbeat, path), listening(listener):
        wait_until(lambda: listener.heartbeat.is_ready)
        before = path.stat().st_mtime_ns
        wait_until(lambda: path.stat().st_mtime_ns > before)
    assert not path.exists()
    nowhere = heartbeat_file(listener.heartbeat, tmp_path / "no" / "where")
    with pytest.raises(ConfigurationError, match="cannot be written"), nowhere:
        pass


def test_a_heartbeat_file_that_is_lost_ends_nothing(tmp_path: Path) -> None:
    """Who watches it sees that it is not there; the listener goes on."""
    heartbeat, folder = Heartbeat(), tmp_path / "run"
    folder.mkdir()
    with heartbeat_file(heartbeat, folder / "beat"):
        shutil.rmtree(folder)
        heartbeat.beat()


def test_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    """It is told when the listener is ready, that it lives, and that it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "5000000")
        listener = Listener("default", say=lambda line: None)
        told: list[str] = []
        with systemd(listener.heartbeat), listening(listener):
            while not {"READY=1", "WATCHDOG=1"} <= {line.split("\n")[0] for line in told}:
                told.append(manager.recv(1000).decode())
        while not told[-1].startswith("STOPPING=1"):
            told.append(manager.recv(1000).decode())


def test_what_is_no_address() -> None:
    assert address_of("[::1]:9000") == ("::1", 9000)
    assert address_of(":9000") == ("", 9000)
    for wrong in ("9000", "host:", "host:99999", "host:http"):
        with pytest.raises(ConfigurationError, match="HOST:PORT"):
            address_of(wrong)
    with pytest.raises(CommandError, match="of a listener that stays"):
        call_command("kck_listen", once=True, health="127.0.0.1:0")
    with serving("127.0.0.1:0", {}, lambda line: None) as (_, port):
        taken = serving(f"127.0.0.1:{port}", {}, lambda line: None)
        with pytest.raises(ConfigurationError, match="cannot be listened on"), taken:
            pass


def web(**headers: str) -> HttpRequest:
    return RequestFactory().get("/health/", headers=headers)


def test_of_the_web(
    transactional_db: None, wait_until: Callable[..., Any], django_assert_num_queries: Any
) -> None:
    """A web process whose reads are answered is up, though no listener runs."""
    answer = health(web())
    assert (answer.status_code, json.loads(answer.content)) == (200, {"status": "behind"})
    listener = Listener("default", say=lambda line: None)
    with listening(listener):
        wait_until(lambda: listener.heartbeat.is_ready)
        with django_assert_num_queries(2):
            assert json.loads(health(web()).content) == {"status": "ok"}
    sql("ALTER TABLE kck_publish_listener RENAME TO elsewhere")
    try:
        answer = health(web())
        assert (answer.status_code, json.loads(answer.content)) == (503, {"status": "down"})
    finally:
        sql("ALTER TABLE elsewhere RENAME TO kck_publish_listener")
    assert health(RequestFactory().post("/health/")).status_code == 405


@pytest.mark.parametrize("query", ["", "?complete"])
def test_of_the_web_without_a_database(query: str, transactional_db: None, settings: Any) -> None:
    """Though each request is a transaction, and the same database knows who asks."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    client = Client()
    client.force_login(User.objects.create_superuser("chief"))
    with no_database():
        answer = client.get(f"/health/{query}")
    assert (answer.status_code, answer.json()) == (503, {"status": "down"})


def test_another_session_under_the_number_of_a_dead_listener(transactional_db: None) -> None:
    """As after a restart of the server: it is taken for no listener, whoever looks."""
    sql(
        "INSERT INTO kck_publish_listener (name, backend, started_at, seen_at)"
        " VALUES ('dead', pg_backend_pid(), now() - interval '1 day', now() - interval '1 hour')"
    )
    assert json.loads(health(web()).content) == {"status": "behind"}
    assert [listener["connected"] for listener in status(5).listeners] == [False]
    (seen,) = ask_parts(STATE, {})["listeners"]
    assert not seen["connected"]
    assert not devserver._is_listening()


@isolate_apps("tests.catalog")
def test_a_users_model_without_staff_and_permissions() -> None:
    """A project's own kind of user, as the documentation of Django begins with, may see nothing."""

    class Member(AbstractBaseUser):
        class Meta:
            app_label = "catalog"

    request: Any = RequestFactory().get("/?complete")
    request.user = Member()
    assert health(request).status_code == 403
    with pytest.raises(PermissionDenied):
        Overview.as_view()(request)


def test_the_whole_is_for_operators(transactional_db: None) -> None:
    Item.objects.create(name="n", group=1)
    drain()
    request = RequestFactory().get("/health/?complete")
    assert health(request).status_code == 403
    request.user = user = User.objects.create_user("u")
    assert health(request).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    request.user = User.objects.get()
    answer = health(request)
    assert answer.status_code in (200, 503)
    assert {"lag_seconds", "shards", "paused", "healthy"} <= json.loads(answer.content).keys()
    for token, given, allowed in (
        (None, "Bearer None", False), ("", "Bearer ", False),
        ("s", "Bearer t", False), ("s", "Bearer s", True), ("s", "s", False),
    ):  # fmt: skip
        with override_settings(KCK_PUBLISH={"HEALTH_TOKEN": token} if token else {}):
            request = RequestFactory().get("/?complete", headers={"Authorization": given})
            assert (health(request).status_code != 403) == allowed, (token, given)
