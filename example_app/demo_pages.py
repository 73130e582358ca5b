"""The demo's last act: the pages, served from stored bytes with an ETag."""

from __future__ import annotations

import secrets
import time
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from .demo_report import DemoError, median_time, seconds, until
from .demo_stage import Stage

UPDATE = "UPDATE example_app_flight SET dep_delay = %s WHERE id = %s"


def serve(stage: Stage) -> str:
    """Start the site, look at it as a browser would; its address."""
    report = stage.report
    report.head("The site")
    address = stage.start("demo_site.py").wait_for("serving ", 30.0).split()[1]
    browser = HTTPConnection(urlsplit(address).netloc, timeout=30)
    page = f"/board/JFK/{stage.day}"
    first, body = _get(browser, page)
    etag = first.headers["ETag"] or ""
    report.claim(f"GET {page}: {first.status}, {len(body):,} bytes", first.status == 200)
    again, body = _get(browser, page, etag)
    unchanged = again.status == 304 and not body and bool(etag)
    report.claim(f"asked again with its ETag: {again.status}, {len(body)} bytes", unchanged)
    _one_look_at_the_store(stage, page)
    _, _ = _get(browser, f"{page}.json")
    took = median_time(lambda: _get(browser, f"{page}.json", "none"), 50)
    report.figure("GET of the stored JSON over HTTP, median", seconds(took))
    _follows(stage, browser, f"{page}.json")
    _is_told(stage, urlsplit(address).netloc)
    _is_closed(stage, browser)
    browser.close()
    return address


def _one_look_at_the_store(stage: Stage, page: str) -> None:
    client = Client()
    client.get(page)
    with CaptureQueriesContext(connection) as captured:
        client.get(page)
    statements = [query["sql"] for query in captured.captured_queries]
    of_sources = [sql for sql in statements if "example_app_" in sql]
    text = f"a page view: {len(statements)} read of the store, {len(of_sources)} of a source"
    stage.report.claim(text, len(statements) == 1 and not of_sources)


def _follows(stage: Stage, browser: HTTPConnection, address: str) -> None:
    """A change of a flight, seen by a conditional GET as the page makes it; and taken back."""
    etag = _get(browser, address)[0].headers["ETag"] or ""
    flight, delay = _one_flight(stage)
    stage.writer.execute(UPDATE, [777, flight])

    def changed() -> bytes:
        answer, body = _get(browser, address, etag)
        return body if answer.status == 200 else b""

    body = until(changed, 30.0, "a conditional GET sees the change")
    stage.report.claim("a changed flight: the next look gets it", b"Delayed 777 min" in body)
    stage.writer.execute(UPDATE, [delay, flight])


def _one_flight(stage: Stage) -> tuple[int, int | None]:
    """One of the board's, and its delay."""
    ((flight, delay),) = stage.rows(
        "SELECT id, dep_delay FROM example_app_flight "
        "WHERE origin_id = 'JFK' AND day = %s ORDER BY id LIMIT 1",
        stage.day,
    )
    return flight, delay


def _is_told(stage: Stage, host: str) -> None:
    """The same change as an event, as an open page is told of it; and taken back."""
    stream = HTTPConnection(host, timeout=30)
    stream.request("GET", f"/live/?key=departure_board/JFK/{stage.day}")
    answer = stream.getresponse()
    if answer.status != 200:
        stage.report.say("Without uvicorn there are no streams: pages look each second.")
        return

    def wait_for(text: bytes) -> None:
        while text not in (line := answer.readline()):
            if not line:
                raise DemoError("the stream has ended")

    wait_for(b"event: value")
    flight, delay = _one_flight(stage)
    began = time.perf_counter()
    stage.writer.execute(UPDATE, [778, flight])
    wait_for(b"Delayed 778 min")
    took = time.perf_counter() - began
    stage.report.figure("from the UPDATE to the event at an open page", seconds(took))
    stage.writer.execute(UPDATE, [delay, flight])
    stream.close()


def _is_closed(stage: Stage, browser: HTTPConnection) -> None:
    """The dashboard of the library: nobody sees it who has not said who he is."""
    answer, _ = _get(browser, "/kck/")
    stage.report.claim(
        f"GET /kck/, the dashboard, by nobody: {answer.status}, to the login", answer.status == 302
    )


def reader() -> tuple[str, str]:
    """A user who may look at the dashboard, made anew: name and password."""
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(username="demo")
    user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()
    return user.get_username(), password


def _get(browser: HTTPConnection, address: str, etag: str = "") -> tuple[HTTPResponse, bytes]:
    browser.request("GET", address, headers={"If-None-Match": etag} if etag else {})
    answer = browser.getresponse()
    return answer, answer.read()
