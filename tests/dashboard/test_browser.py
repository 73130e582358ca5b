"""Each tab clicked through in a real Chromium, as an operator does, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sites.models import Site

from kck_publish.listener.listener import Listener
from kck_publish.models import History
from kck_publish.refresh import paused_products
from tests.browser import barriers, browsing, complaints, hosts
from tests.catalog.fixtures import drain, interfering
from tests.catalog.models import Item
from tests.dashboard.conftest import fail, minute
from tests.integration.test_health import listening
from tests.live.streams import serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
Wait = Callable[..., Any]


@pytest.fixture
def history(item: Item) -> None:
    """Half an hour of work, and a product that fails."""
    for ago in range(1, 31):
        for product in ("", "item_total", "item_names"):
            History.objects.create(
                product=product, minute=minute(ago), changes=60 * ago, batches=30, refreshed=90,
                augmented=30, unchanged=9, failed=ago % 3, seconds=0.5 * ago, seconds_max=0.4,
                bytes=9000, lagged=30, waiting=0.3, waiting_max=0.2, computing=0.2,
                computing_max=0.1,
            )  # fmt: skip
    item.amount = 6
    item.save()
    with interfering(fail):
        drain()


@pytest.fixture
def port(history: None) -> Iterator[int]:
    """Of a server, beside a listener."""
    Site.objects.get_or_create(pk=1)  # which the login's page names
    with serving() as port, listening(Listener("default", say=lambda text: None)):
        yield port


@contextmanager
def logged_in(port: int, *arguments: str) -> Iterator[Any]:
    """A browser whose user has logged in by the form to which the dashboard leads."""
    User.objects.create_superuser("ada", password="secret")
    with browsing("--window-size=1280,1000", *arguments) as driver:
        driver.get(f"http://127.0.0.1:{port}/kck/")
        _until(driver, lambda: "/login/" in driver.current_url)
        driver.find_element("name", "username").send_keys("ada")
        driver.find_element("name", "password").send_keys("secret")
        driver.find_element("css selector", "button").click()
        _until(driver, lambda: driver.title == "Overview · kck_publish")
        yield driver
        assert complaints(driver) == []
        assert hosts(driver) == {f"127.0.0.1:{port}"}


def _until(driver: Any, arrived: Callable[[], bool]) -> None:
    """Wait for a page that a click or an address leads to."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(driver, 60).until(lambda _: arrived())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What ends with the test."""
    with ExitStack() as stack:
        yield stack


def texts(driver: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)"
    return list(driver.execute_script(script, selector))


def press(driver: Any, keys: str) -> None:
    driver.switch_to.active_element.send_keys(keys)


def visible(driver: Any) -> list[str]:
    """The products of the table, as they stand."""
    return texts(driver, "#products tbody tr:not([hidden]) th")


def test_the_overview(port: int, wait_until: Wait) -> None:
    with logged_in(port) as driver:
        wait_until(lambda: len(texts(driver, ".plot .uplot")) == 5)
        assert texts(driver, ".plot .summary")[1] == "highest: 30/s"
        assert texts(driver, ".banner.warn") == ["1 key fails, and is tried again."]
        driver.find_element("link text", "24h").click()
        wait_until(lambda: texts(driver, ".periods [aria-current]") == ["24h"])
        wait_until(lambda: len(texts(driver, ".plot .uplot")) == 5)
        assert "item_names" in texts(driver, "[data-part=slowest] a")
        driver.find_element("css selector", "[data-part=failing] a").click()
        wait_until(lambda: driver.title == "fragile · kck_publish")
        wait_until(lambda: "fragile/1" in texts(driver, "[data-part=failures] th"))


def test_an_open_page_follows_without_being_loaded_again(
    port: int, item: Item, wait_until: Wait
) -> None:
    with logged_in(port) as driver:
        driver.execute_script("window.same = true")
        assert texts(driver, "[data-part=paused] a") == []
        paused_products.pause(["item_total"], "ops")
        wait_until(lambda: texts(driver, "[data-part=paused] a") == ["item_total"])
        driver.find_element("link text", "item_total").click()
        wait_until(lambda: texts(driver, ".tile .badge") == ["paused"])
        driver.execute_script("window.same = true")
        paused_products.resume(["item_total"])
        wait_until(lambda: texts(driver, ".tile .badge") == ["up to date"])
        assert driver.execute_script("return window.same")


def test_the_table_is_sorted_and_searched(port: int, wait_until: Wait) -> None:
    with logged_in(port) as driver:
        press(driver, "2")
        wait_until(lambda: driver.title == "Products · kck_publish")
        assert visible(driver)[0] == "fragile"  # what fails is first
        heads = {text.split()[0]: head for head in driver.find_elements("css selector", "th button")
                 if (text := head.text)}  # fmt: skip
        heads["Product"].click()
        rising = visible(driver)
        places = [rising.index(name) for name in ("fragile", "item_names", "item_total", "shelf")]
        assert places == sorted(places)
        heads["Product"].click()
        assert visible(driver) == rising[::-1]
        heads["Keys"].click()
        keys = texts(driver, "#products tbody td:nth-of-type(3)")
        numbers = [int(text.replace(",", "")) for text in keys]
        assert numbers == sorted(numbers, reverse=True)
        assert texts(driver, "[aria-sort=descending]")[0].startswith("Keys")
        press(driver, "/")
        assert driver.switch_to.active_element.get_attribute("id") == "search"
        press(driver, "ITEM_ primer")
        assert set(visible(driver)) == {"item_total", "item_names"}
        assert "sort=keys" in driver.current_url
        driver.refresh()
        assert set(visible(driver)) == {"item_total", "item_names"}
        press(driver, "/")
        press(driver, "xyz")
        assert visible(driver) == []
        assert driver.find_element("id", "none").is_displayed()
        search = driver.find_element("id", "search")
        search.clear()
        search.send_keys("item_total\n")
        wait_until(lambda: driver.title == "item_total · kck_publish")
        wait_until(lambda: len(texts(driver, ".plot .uplot")) == 4)


def test_a_node_of_the_graph_leads_to_its_page(port: int, wait_until: Wait) -> None:
    with logged_in(port) as driver:
        driver.find_element("link text", "Graph").click()
        wait_until(lambda: texts(driver, "#graph[data-ready]"))
        nodes = "document.getElementById('graph').cytoscape"
        assert driver.execute_script(
            f"return {nodes}.getElementById('p:fragile').data('state')"
        ) == ("failing")
        zoom = driver.execute_script(f"return {nodes}.zoom()")
        driver.find_element("css selector", "[data-do=in]").click()
        press(driver, "+")
        assert driver.execute_script(f"return {nodes}.zoom()") > zoom * 1.5
        press(driver, "0")
        assert driver.execute_script(f"return {nodes}.zoom()") == pytest.approx(zoom)
        from selenium.webdriver import ActionChains

        canvas = driver.find_element("id", "graph")
        at = driver.execute_script(f"return {nodes}.getElementById('p:shelf').renderedPosition()")
        size = canvas.size
        ActionChains(driver).move_to_element_with_offset(
            canvas, at["x"] - size["width"] / 2, at["y"] - size["height"] / 2
        ).click().perform()
        wait_until(lambda: driver.title == "shelf · kck_publish")
        press(driver, "3")
        wait_until(lambda: texts(driver, "#graph[data-ready]"))
        press(driver, "/")
        press(driver, "item_total\n")
        wait_until(lambda: driver.title == "item_total · kck_publish")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(scheme: str, port: int, wait_until: Wait) -> None:
    """axe-core finds nothing serious, in light and dark, wide and narrow."""
    preferred = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    with logged_in(port, preferred) as driver:
        for page in ("", "products/", "products/item_total/", "products/fragile/", "graph/"):
            driver.get(f"http://127.0.0.1:{port}/kck/{page}")
            plots = {"": 5, "products/item_total/": 4}.get(page, 0)
            wait_until(lambda plots=plots: len(texts(driver, ".plot .uplot")) >= plots)
            for width in (1280, 500):
                driver.set_window_size(width, 900)
                assert barriers(driver) == [], (page, width)
                script = "return document.documentElement.scrollWidth - innerWidth"
                assert driver.execute_script(script) <= 0, (page, width)


def test_light_and_dark(port: int, wait_until: Wait) -> None:
    """By the system, until somebody chooses; what is chosen holds for each page."""

    def ground() -> str:
        script = "return getComputedStyle(document.body).backgroundColor"
        return str(driver.execute_script(script))

    with logged_in(port, "--blink-settings=preferredColorScheme=0") as driver:
        dark = ground()
        driver.find_element("id", "theme").click()
        light = ground()
        assert light != dark
        press(driver, "t")
        assert ground() == dark
        driver.find_element("id", "theme").click()  # as the system
        driver.find_element("id", "theme").click()  # light
        driver.find_element("link text", "Products").click()
        _until(driver, lambda: driver.title == "Products · kck_publish")
        assert ground() == light
        assert driver.find_element("id", "theme").get_attribute("aria-label") == "Colours: light"
        press(driver, "?")
        assert driver.find_element("id", "shortcuts").is_displayed()
        assert barriers(driver) == []


def test_a_server_that_goes_and_comes_back(
    history: None, stack: ExitStack, wait_until: Wait
) -> None:
    """The page says that it has no answer, and goes on by itself."""
    Site.objects.get_or_create(pk=1)
    first = ExitStack()
    stack.push(first)
    port = first.enter_context(serving())
    with logged_in(port) as driver:
        wait_until(lambda: texts(driver, "#live .word") == ["live"])
        first.close()
        wait_until(lambda: texts(driver, "#live .word") == ["no answer"])
        complaints(driver)  # of the browser itself: it was refused
        stack.enter_context(serving(port=port))
        wait_until(lambda: texts(driver, "#live .word") == ["live"], 40)
        complaints(driver)


def test_who_is_logged_out_is_led_to_the_login(port: int, wait_until: Wait) -> None:
    with logged_in(port) as driver:
        driver.delete_all_cookies()
        wait_until(lambda: "/login/?next=/kck/" in driver.current_url)
