"""The element in a real Chromium: what is true in the database is true in the page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.template import engines
from django.test import override_settings

from kck_publish import ConfigurationError, Public
from kck_publish.contrib.live import process_hub
from kck_publish.products import registry
from tests.browser import browsing
from tests.catalog.fixtures import drain
from tests.catalog.models import Author, Book
from tests.live.conftest import rename
from tests.live.pages import CARD, STATIC, LiveCard
from tests.live.streams import serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.fixture
def card(quick: None, settings: Any) -> Iterator[None]:
    registry.register(CARD)
    settings.ROOT_URLCONF = "tests.live.pages"
    settings.STATIC_URL = "/static/"
    yield
    registry.unregister("live_card")


def names(driver: Any) -> list[str]:
    script = "return [...document.querySelectorAll('h2')].map((each) => each.textContent)"
    return list(driver.execute_script(script))


def test_a_page_stays_true_under_its_reader(
    card: None, port: int, authors: list[Author], wait_until: Any
) -> None:
    url = f"http://127.0.0.1:{port}/show/?authors={authors[0].pk},{authors[1].pk}"
    with browsing() as driver:
        driver.get(url)
        assert names(driver) == ["ann", "bob", "ann"]
        wait_until(lambda: (hub := process_hub.running()) is not None and hub.count == 1)
        note = driver.find_element("id", "note")
        note.clear()
        note.send_keys("half a sen")
        driver.find_element("id", "summary").click()
        note.click()
        Book.objects.create(author=authors[0], title="The Dispossessed")
        rename(authors[0], "eve")
        wait_until(lambda: names(driver) == ["eve", "bob", "eve"])
        assert driver.switch_to.active_element == note
        note.send_keys("tence")
        assert note.get_property("value") == "half a sentence"
        assert driver.find_element("id", "more").get_attribute("open") == "true"
        assert "The Dispossessed" in driver.find_element("id", "more").text

        driver.switch_to.new_window("window")
        driver.get(url)
        first, second = driver.window_handles
        hub = process_hub.running()
        assert hub is not None
        wait_until(lambda: names(driver) == ["eve", "bob", "eve"])
        rename(authors[1], "zoe")
        for window in (first, second):
            driver.switch_to.window(window)
            wait_until(lambda: names(driver) == ["eve", "zoe", "eve"])
        assert hub.count == 1

        driver.switch_to.window(first)  # the one that holds the stream
        driver.close()
        driver.switch_to.window(second)
        rename(authors[0], "fay")
        wait_until(lambda: names(driver) == ["fay", "zoe", "fay"])
        authors[1].delete()
        drain()
        wait_until(lambda: names(driver) == ["fay", "fay"])


def test_a_server_that_comes_back_is_found_again(
    card: None, authors: list[Author], wait_until: Any
) -> None:
    with browsing() as driver, ExitStack() as stack:
        stack.enter_context(first := _Server())
        driver.get(f"http://127.0.0.1:{first.port}/show/?authors={authors[0].pk}")
        assert names(driver) == ["ann", "ann"]
        wait_until(lambda: (hub := process_hub.running()) is not None and hub.count == 1)
        first.__exit__(None, None, None)
        rename(authors[0], "eve")
        stack.enter_context(_Server(first.port))
        wait_until(lambda: names(driver) == ["eve", "eve"])


class _Server:
    def __init__(self, port: int = 0) -> None:
        self._stack = ExitStack()
        self.port = self._stack.enter_context(serving(port=port))

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def test_without_streams_the_page_asks_again(
    card: None, settings: Any, port: int, authors: list[Author], wait_until: Any
) -> None:
    settings.KCK_PUBLISH = {"LIVE_URL": "/wsgi/"}
    with browsing() as driver:
        driver.get(f"http://127.0.0.1:{port}/show/?authors={authors[0].pk}")
        rename(authors[0], "eve")
        wait_until(lambda: names(driver) == ["eve", "eve"])


def test_a_page_whose_right_is_lost_shows_nothing_and_learns_nothing_more(
    card: None, port: int, authors: list[Author], wait_until: Any
) -> None:
    seen = {authors[0].pk, authors[1].pk}
    LiveCard.live = lambda request, parameters: parameters["author"] in seen
    try:
        with browsing() as driver:
            ids = ",".join(str(author.pk) for author in authors)
            driver.get(f"http://127.0.0.1:{port}/show/?authors={ids}")
            assert names(driver) == ["ann", "bob", "ann"]
            wait_until(lambda: (hub := process_hub.running()) is not None and hub.count == 1)
            seen.remove(authors[0].pk)
            wait_until(lambda: names(driver) == ["bob"])
            rename(authors[0], "secret")
            rename(authors[1], "zoe")
            wait_until(lambda: names(driver) == ["zoe"])
            assert "secret" not in driver.page_source
    finally:
        LiveCard.live = Public


def test_without_scripts_it_is_a_page(card: None, port: int, authors: list[Author]) -> None:
    with browsing("--blink-settings=scriptEnabled=false") as driver:
        driver.get(f"http://127.0.0.1:{port}/show/?authors={authors[0].pk}")
        assert driver.find_element("tag name", "h2").text == "ann"


def test_the_element_is_small_and_made_from_its_source() -> None:
    folder = STATIC / "kck_publish"
    made, source = (folder / "live.js").read_bytes(), (folder / "live.src.js").read_bytes()
    assert len(made) <= 4096
    assert not re.search(rb"\bimport\b|\brequire\b", made)
    assert hashlib.sha256(source).hexdigest()[:16].encode() in made.splitlines()[0]


@override_settings(STATIC_URL="/static/")
def test_the_tag_says_what_it_cannot_do(card: None, authors: list[Author]) -> None:
    def render(what: str) -> str:
        source = "{% load kck_publish %}{% live " + what + " %}"
        return engines["django"].from_string(source).render({})

    element = render(f'"live_card" author={authors[0].pk}')
    assert re.match(r'<kck-live key="live_card/\d+" version="\d+" src="/live/"><article>', element)
    assert element.endswith('<script type="module" src="/static/kck_publish/live.js"></script>')
    assert '<kck-live key="live_card/0" version="0" src="/live/"></kck-live>' in render(
        '"live_card" author=0'
    )
    with pytest.raises(ConfigurationError, match="no FragmentPrimer"):
        render('"author_page" author=1')
    LiveCard.live = None
    try:
        with pytest.raises(ConfigurationError, match="nobody may see"):
            render('"live_card" author=1')
    finally:
        LiveCard.live = Public
