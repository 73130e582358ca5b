"""The admin in a real Chromium: clicked through as an operator would.

``KCK_SCREENSHOTS=FOLDER`` keeps pictures of the pages there, at two widths.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sites.models import Site

from kck_publish import Cache
from kck_publish.models import Failure, Pause
from tests.browser import barriers, browsing, complaints, hosts
from tests.catalog.fixtures import drain, sql, stored
from tests.catalog.models import Item
from tests.integration.test_commands import corrupt
from tests.operated.serving import serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
cache = Cache.get_instance()
WIDTHS = {"wide": (1280, 900), "narrow": (500, 900)}


class Browser:
    """An operator at a browser, who has logged in."""

    def __init__(self, driver: Any, port: int) -> None:
        self.driver = driver
        self.site = f"http://127.0.0.1:{port}"

    def open(self, path: str) -> None:
        self.driver.get(self.site + path)

    def click(self, selector: str) -> None:
        """Click what leads to no other page."""
        self.driver.find_element("css selector", selector).click()

    def leave(self, selector: str, by: str = "css selector") -> None:
        """Click what leads to another page, and return when that is there."""
        from selenium.common.exceptions import WebDriverException

        self.driver.execute_script("window.isOld = true")
        self.driver.find_element(by, selector).click()
        is_new = "return document.readyState === 'complete' && !window.isOld"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(WebDriverException):  # between two pages there is none to be asked
                if self.driver.execute_script(is_new):
                    return
        pytest.fail(f"{selector} led nowhere")

    def follow(self, text: str) -> None:
        self.leave(text, "link text")

    def act(self, name: str) -> None:
        self.leave(f"button[value={name}]")

    def confirm(self) -> None:
        self.leave(".kck-acts button")

    def select(self, name: str) -> None:
        self.click(f"input[name=name][value$='{name}']")

    @property
    def text(self) -> str:
        return str(self.driver.find_element("id", "content").text)

    @property
    def said(self) -> str:
        return str(self.driver.find_element("class name", "messagelist").text)

    def check(self, picture: str) -> None:
        """Nothing is wrong with this page, for whoever sees it and for whoever does not."""
        assert complaints(self.driver) == []
        assert hosts(self.driver) == {self.site.removeprefix("http://")}
        assert barriers(self.driver) == []
        if folder := os.environ.get("KCK_SCREENSHOTS"):
            for width in ("narrow", "wide"):
                self.resize(*WIDTHS[width])
                self.driver.save_screenshot(str(Path(folder) / f"{picture}-{width}.png"))

    def resize(self, width: int, height: int) -> None:
        """Returns when the page has been laid out anew."""
        self.driver.set_window_size(width, height)
        laid_out = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self.driver.execute_async_script(laid_out)


@pytest.fixture
def browser(failing: list[str], transactional_db: None) -> Iterator[Browser]:
    Site.objects.get_or_create(pk=1)  # which the page for logging in names
    User.objects.create_superuser("ada", password="secret")
    with serving() as port, browsing("--window-size=1280,900") as driver:
        browser = Browser(driver, port)
        browser.open("/admin/")
        driver.find_element("name", "username").send_keys("ada")
        driver.find_element("name", "password").send_keys("secret")
        browser.leave("input[type=submit]")
        yield browser


def test_products_are_paused_and_resumed(browser: Browser) -> None:
    browser.follow("Products")
    assert "item_total" in browser.text
    browser.check("admin-products")
    browser.select("item_total")
    browser.act("pause")
    assert "Paused item_total" in browser.said
    assert Pause.objects.get().by == "ada"
    assert "paused" in browser.text
    browser.leave("thead a[href*='o=keys']")
    browser.select("item_total")
    browser.act("resume")
    assert "Resumed item_total" in browser.said
    assert not Pause.objects.exists()
    browser.check("admin-products-sorted")


def test_a_box_in_the_head_selects_all_rows(browser: Browser) -> None:
    browser.open("/admin/kck_publish/storedkey/?product=item_total")
    browser.click("[data-kck-all]")
    browser.act("refresh")
    assert "refreshes 3 keys" in browser.said
    browser.check("admin-entries")


def test_an_entry_is_explained_verified_and_removed(browser: Browser) -> None:
    corrupt("item_total/1")
    browser.follow("Stored entries")
    browser.driver.find_element("name", "q").send_keys("item_total/1")
    browser.leave(".kck-search button")
    browser.follow("item_total/1")
    assert "tests.catalog.primers.ItemTotal" in browser.text
    browser.check("admin-explained")
    browser.act("verify")
    assert "1 is wrong" in browser.text
    assert "stored 'wrong'" in browser.text
    browser.check("admin-verified")
    browser.follow("Back")
    browser.act("refresh")
    drain()
    browser.leave("a[href$='/value/']")
    assert "'amount'" in browser.text
    browser.check("admin-value")
    browser.follow("item_total/1")
    browser.act("remove")
    browser.check("admin-confirm")
    browser.confirm()
    assert "1 entries removed" in browser.said
    assert stored("item_total/1") is None
    browser.leave("a[href$='/history/']")
    assert "Removed from the store." in browser.text
    browser.check("admin-history")
    messages = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert messages == ["Verified.", "Asked for a refresh.", "Removed from the store."]


def test_failures_are_looked_at_retried_and_discarded(
    browser: Browser, wait_until: Callable[..., Any]
) -> None:
    sql("UPDATE kck_publish_failure SET due_at = NULL WHERE key = 'fragile/2'")
    browser.follow("Failures and dead letters")
    browser.click("summary")
    wait_until(lambda: "Traceback" in browser.text)
    browser.check("admin-failures")
    browser.select("fragile/2")
    browser.act("discard")
    browser.confirm()
    assert "1 dead letters discarded" in browser.said
    assert list(Failure.objects.values_list("key", flat=True)) == ["fragile/1"]
    browser.click("input[name=all]")
    browser.act("retry")
    browser.confirm()
    drain()
    assert cache.get("fragile/1") == [50]
    browser.open("/admin/kck_publish/failedkey/")
    assert "Nothing fails." in browser.text
    browser.check("admin-failures-none")


def test_listeners(browser: Browser) -> None:
    browser.follow("Listeners")
    assert "No listener is running" in browser.text
    browser.check("admin-listeners")


def test_dark(browser: Browser) -> None:
    browser.open("/admin/kck_publish/product/")
    browser.click(".theme-toggle")
    browser.click(".theme-toggle")  # from "auto" over "light" or "dark" to the other
    browser.driver.execute_script("document.documentElement.dataset.theme = 'dark'")
    Item.objects.update(amount=1)
    browser.check("admin-products-dark")
