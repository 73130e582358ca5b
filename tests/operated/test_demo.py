"""The admin of the running demo, with its listener and its flights, in a real Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browsing
from tests.operated.test_browser import Browser

ROOT = Path(__file__).parents[2]
SAID = re.compile(
    r"(?P<site>http://127\.0\.0\.1:\d+)/kck/ .*user (?P<user>\S+), password (?P<password>\S+)\)"
)


@pytest.fixture
def demo() -> Iterator[dict[str, str]]:
    """The demo, once it serves: its address, and who may log in."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    for name in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "example_app.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env=environment,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if found := SAID.search(line):
                yield found.groupdict()
                break
        else:
            pytest.fail("".join(said))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_an_operator_of_the_demo(demo: dict[str, str], wait_until: Callable[..., Any]) -> None:
    """Looks at a board's key and its value, pauses its product while the delays are replayed."""
    with browsing("--window-size=1280,900") as driver:
        browser = Browser(driver, int(demo["site"].rpartition(":")[2]))
        browser.open("/admin/")
        driver.find_element("name", "username").send_keys(demo["user"])
        driver.find_element("name", "password").send_keys(demo["password"])
        browser.leave("input[type=submit]")
        assert driver.get_log("browser") is not None  # a browser asks for a picture of the site
        browser.follow("Products")
        assert "departure_board" in browser.text
        browser.check("demo-admin-products")
        browser.select("departure_board")
        browser.act("pause")
        assert "Paused departure_board" in browser.said

        def waiting() -> bool:
            """The replay changes flights, which wait now."""
            browser.open("/admin/kck_publish/product/?q=departure_board")
            behind = "#result_list td:nth-last-child(2)"
            return bool(driver.find_element("css selector", behind).text != "0")

        wait_until(waiting, 60)
        browser.click("[data-kck-all]")
        browser.act("resume")
        assert "Resumed departure_board" in browser.said
        browser.follow("departure_board")
        browser.leave("#result_list tbody th a")
        assert "example_app.primers" in browser.text
        assert "example_app_flight" in browser.text
        browser.check("demo-admin-explained")
        browser.leave("a[href$='/value/']")
        browser.check("demo-admin-value")
        browser.follow("Listeners")
        wait_until(lambda: "awake" in browser.text or "asleep" in browser.text)
        browser.check("demo-admin-listeners")
