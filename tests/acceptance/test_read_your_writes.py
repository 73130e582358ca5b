"""Issue 6: a browser that posts and at once gets never misses its own write.

With a real listener that is stopped and continued, and server processes with sessions of their own:
the post and the get always go to different ones. ``KCK_TEST_POSTS`` says how often (100).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.cookies import SimpleCookie
from statistics import median
from typing import Any

import pytest

from tests.acceptance.test_listener_process import ROOT, Start, start  # noqa: F401 - a fixture
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
POSTS = int(os.environ.get("KCK_TEST_POSTS", "100"))


class Browser:
    """Sends what cookies it was given, and drops those that are taken back."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def ask(self, port: int, amount: int | None = None) -> Any:
        """POST an amount, or GET the sum."""
        data = None if amount is None else f"amount={amount}".encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/item", data)
        request.add_header("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        with urllib.request.urlopen(request, timeout=30) as response:
            for header in response.headers.get_all("Set-Cookie") or ():
                for name, cookie in SimpleCookie(header).items():
                    self.cookies[name] = cookie.value
            self.cookies = {name: value for name, value in self.cookies.items() if value}
            return json.loads(response.read())


@pytest.fixture
def servers(process_environment: dict[str, str]) -> Iterator[list[int]]:
    """The ports of two server processes."""
    command = [sys.executable, "-W", "error", "-m", "tests.acceptance.browsed"]
    running = [
        subprocess.Popen(
            command, env=process_environment, cwd=ROOT, text=True, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        yield [int(one.stdout.readline()) for one in running]  # type: ignore[union-attr]
    finally:
        for one in running:
            one.kill()
            one.communicate()


class Stuttering(threading.Thread):
    """Stops a process for a while, and lets it go on for a while."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ended.is_set():
            self._process.send_signal(signal.SIGSTOP)
            self._ended.wait(0.15)
            self._process.send_signal(signal.SIGCONT)
            self._ended.wait(0.05)

    def end(self) -> None:
        self._ended.set()
        self.join(10)


@pytest.mark.long
def test_a_browser_that_posts_and_at_once_gets(
    servers: list[int],
    start: Start,  # noqa: F811
    wait_until: Any,
) -> None:
    Item.objects.create(name="one", group=1, amount=0)
    ItemTotal.cached.get(group=1)
    listener = start(SILENCE=600).wait_ready()
    mine, other = Browser(), Browser()
    seen: list[Any] = []
    took: dict[Browser, list[float]] = {mine: [], other: []}
    behind = 0
    stuttering = Stuttering(listener.popen)
    try:
        for amount in range(1, POSTS + 1):
            here, there = servers[amount % 2], servers[1 - amount % 2]
            mine.ask(there, amount)
            for browser in (other, mine):
                began = time.monotonic()
                found = browser.ask(here)
                took[browser].append(time.monotonic() - began)
                if browser is mine:
                    seen.append(found)
                else:
                    behind += found != amount
    finally:
        stuttering.end()
    assert seen == list(range(1, POSTS + 1))
    assert behind  # the listener was late indeed, and who did not write was given the old value
    assert not other.cookies
    print(f"own {median(took[mine]):.3f} s, others {median(took[other]):.3f} s, {behind} old")
    wait_until(lambda: not (mine.ask(servers[0]) - POSTS or mine.cookies))


@pytest.mark.long
def test_others_never_wait(servers: list[int], start: Start) -> None:  # noqa: F811
    """While the listener is stopped, who has written waits and computes; who has not is served."""
    Item.objects.create(name="one", group=1, amount=0)
    ItemTotal.cached.get(group=1)
    listener = start(SILENCE=600).wait_ready()
    mine, other = Browser(), Browser()
    other.ask(servers[1])
    listener.popen.send_signal(signal.SIGSTOP)
    mine.ask(servers[0], 8)
    began = time.monotonic()
    assert mine.ask(servers[1]) == 8
    assert time.monotonic() - began >= 0.2
    times = []
    for _ in range(20):
        began = time.monotonic()
        assert other.ask(servers[1]) == 0
        times.append(time.monotonic() - began)
    assert min(times) < 0.2
    listener.popen.send_signal(signal.SIGCONT)
