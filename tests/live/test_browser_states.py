"""The element in a real Chromium, as tabs are hidden, rights change, and releases differ."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress
from typing import Any

import pytest

from kck_publish.contrib.live import process_hub
from tests.browser import browsing
from tests.catalog.models import Author
from tests.live.conftest import rename
from tests.live.pages import LiveCard
from tests.live.test_browser import card, names

__all__ = ["card"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.long,
    pytest.mark.usefixtures("card"),
]

HIDDEN = """
const hidden = arguments[0];
Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
document.dispatchEvent(new Event("visibilitychange"));
"""


class Rights:
    """Who may see which cards."""

    def __init__(self, authors: list[Author]) -> None:
        self.seen = {author.pk for author in authors}

    def __call__(self, request: Any, parameters: Any) -> bool:
        return parameters["author"] in self.seen


@pytest.fixture
def rights(authors: list[Author], monkeypatch: pytest.MonkeyPatch) -> Rights:
    rights = Rights(authors)
    monkeypatch.setattr(LiveCard, "live", staticmethod(rights))
    return rights


def hide(driver: Any, hidden: bool = True) -> None:
    driver.execute_script(HIDDEN, hidden)


def streams() -> int:
    hub = process_hub.running()
    return 0 if hub is None else hub.count


def address(port: int, *authors: Author) -> str:
    return f"http://127.0.0.1:{port}/show/?authors={','.join(str(each.pk) for each in authors)}"


def test_a_right_that_comes_back_shows_the_value_again(
    port: int, authors: list[Author], rights: Rights, wait_until: Any
) -> None:
    with browsing() as driver:
        driver.get(address(port, *authors))
        wait_until(lambda: streams() == 1)
        rights.seen.remove(authors[0].pk)
        wait_until(lambda: names(driver) == ["bob"])
        rights.seen.add(authors[0].pk)
        hide(driver)
        wait_until(lambda: streams() == 0)
        hide(driver, False)
        wait_until(lambda: names(driver) == ["ann", "bob", "ann"])


def test_a_page_that_may_see_nothing_any_more_is_empty(
    port: int, authors: list[Author], rights: Rights, wait_until: Any
) -> None:
    with browsing() as driver:
        driver.get(address(port, *authors))
        wait_until(lambda: streams() == 1)
        hide(driver)
        wait_until(lambda: streams() == 0)
        rights.seen.clear()
        hide(driver, False)
        wait_until(lambda: names(driver) == [])


def test_a_refusal_that_is_not_the_hubs_takes_nothing_away(
    port: int, settings: Any, authors: list[Author], wait_until: Any
) -> None:
    settings.KCK_PUBLISH = {"LIVE_URL": "/guarded/"}
    asked = """
        addEventListener("kck-live", (event) => document.body.dataset.told = event.detail.event);
        return performance.getEntriesByType("resource").filter(
          (entry) => entry.name.includes("/guarded/") && entry.initiatorType == "fetch").length
    """
    with browsing() as driver:
        driver.get(address(port, authors[0]))
        wait_until(lambda: driver.execute_script(asked) == 1)
        assert driver.execute_script("return document.body.dataset.told") is None
        assert names(driver) == ["ann", "ann"]


def test_a_tab_that_is_hidden_again_and_again_follows_when_it_is_seen(
    port: int, authors: list[Author], wait_until: Any
) -> None:
    with browsing() as driver:
        driver.get(address(port, authors[0]))
        wait_until(lambda: streams() == 1)
        driver.execute_script(
            "window.errors = []; addEventListener('error', (event) => errors.push(event.message))"
        )
        for hidden in (True, True, False) * 3:
            hide(driver, hidden)
        rename(authors[0], "eve")
        wait_until(lambda: names(driver) == ["eve", "eve"])
        assert driver.execute_script("return errors") == []


def test_a_tab_of_an_older_version_is_told_by_the_stream_of_a_newer_one(
    port: int, authors: list[Author], wait_until: Any
) -> None:
    with browsing() as driver:
        driver.get(address(port, authors[0]))
        wait_until(lambda: streams() == 1)
        hide(driver)
        wait_until(lambda: streams() == 0)
        rename(authors[0], "eve")
        driver.switch_to.new_window("window")
        driver.get(address(port, authors[0]))
        wait_until(lambda: streams() == 1)
        driver.switch_to.window(driver.window_handles[0])
        assert names(driver) == ["ann", "ann"]
        hide(driver, False)
        wait_until(lambda: names(driver) == ["eve", "eve"])


def test_more_keys_than_a_stream_takes_are_several_streams(
    port: int, settings: Any, authors: list[Author], wait_until: Any
) -> None:
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "LIVE_KEYS": 2}
    third = Author.objects.create(slug="cyd", first="cyd", last="L")
    with browsing() as driver:
        driver.get(address(port, *authors, third))
        rename(authors[0], "eve")
        rename(third, "dan")
        wait_until(lambda: names(driver) == ["eve", "bob", "dan", "eve"])
        assert streams() == 2


def test_a_page_of_another_release_hides_no_news_of_this_one(
    port: int, authors: list[Author], wait_until: Any
) -> None:
    with browsing() as driver:
        driver.get(address(port, *authors))
        driver.execute_script(
            "document.body.insertAdjacentHTML('beforeend', "
            """'<kck-live key="old_card/1" version="5" src="/live/">old</kck-live>')"""
        )
        rename(authors[0], "eve")
        wait_until(lambda: names(driver) == ["eve", "bob", "eve"])


class Network:
    """What lies between a browser and a server; it may lose what is open, and says so to nobody.

    Attributes:
        streams: how many the browser has asked for.
        signs: how many signs of life it was sent.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = []
        self.lost: set[socket.socket] = set()
        self.streams = self.signs = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def lose(self) -> None:
        """From now on nothing goes through the connections that are open now."""
        self.lost |= set(self._open)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        for each in [*self._open, self._listening]:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pass_on, args=ends)
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.streams += data.startswith(b"GET /live/")
                if source not in self.lost:
                    target.sendall(data)
                    self.signs += b"event: alive" in data
            if source not in self.lost:
                target.shutdown(socket.SHUT_WR)


def test_a_server_that_is_lost_without_a_word_is_asked_anew(
    port: int, authors: list[Author], wait_until: Any
) -> None:
    with closing(Network(port)) as network, browsing() as driver:
        driver.get(address(network.port, authors[0]))
        wait_until(lambda: network.signs)  # else it waits for as long as is usual elsewhere
        network.lose()
        rename(authors[0], "eve")
        wait_until(lambda: names(driver) == ["eve", "eve"])


def test_a_stream_that_is_never_silent_is_not_opened_anew(
    port: int, settings: Any, authors: list[Author], wait_until: Any
) -> None:
    """Where values come, no other sign of life does."""
    with closing(Network(port)) as network, browsing() as driver:
        driver.get(address(network.port, authors[0]))
        wait_until(lambda: streams() == 1)
        begun, number = time.monotonic(), 0
        while time.monotonic() < begun + 4 * 3 * settings.KCK_PUBLISH["LIVE_HEARTBEAT"]:
            number += 1
            rename(authors[0], f"eve{number}")
            wait_until(lambda: names(driver)[0] == f"eve{number}")  # noqa: B023
        assert network.streams == 1


def test_an_element_within_an_element_keeps_its_key_and_its_newer_value(
    port: int, authors: list[Author], wait_until: Any
) -> None:
    made = """
        const [ann, bob, later] = arguments, list = document.querySelector("kck-live");
        const inner = ([key, version, name]) =>
          `<kck-live key="live_card/${key}" version="${version}" src="/live/">` +
          `<h2>${name}</h2></kck-live>`;
        const put = (...all) => list.take(
          { event: "value", version: list.version + 1e12, value: all.map(inner).join("") });
        put([ann, 5, "ann"], [bob, later + 1, "newer"]);
        const [, second] = list.querySelectorAll("kck-live");
        put([bob, later, "older"]);
        const left = [...list.querySelectorAll("kck-live")];
        return [left.length, left[0] == second, left[0].key, left[0].textContent];
    """
    with browsing() as driver:
        driver.get(address(port, *authors))
        pks = [author.pk for author in authors]
        found = driver.execute_script(made, *pks, 2**52)
        assert found == [1, True, f"live_card/{pks[1]}", "newer"]
