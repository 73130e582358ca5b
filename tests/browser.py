"""A real Chromium: what it says, whom it asks, and what axe-core finds in its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.optional import needs

AXE = (
    Path(__file__).parent / "axe" / "axe-core-4.14.1.min.js"
)  # from npm; its licence lies beside it
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then((found) => done(found.violations));
"""


@contextmanager
def browsing(*arguments: str) -> Iterator[Any]:
    """A browser.

    Args:
        arguments: of the program.
    """
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = needs("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", *arguments):
        options.add_argument(argument)
    service = ChromeService(needs("chromedriver", "chromium-driver"))
    driver = Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def complaints(driver: Any) -> list[str]:
    """What it has written to its console since the last time: errors and warnings."""
    entries = driver.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def hosts(driver: Any) -> set[str]:
    """The hosts, with their ports, that it has asked since the last time."""
    found = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = urlsplit(message["params"]["request"]["url"])
            if address.scheme in ("http", "https", "ws", "wss"):
                found.add(address.netloc)
    return found


def barriers(driver: Any) -> list[str]:
    """What axe-core calls serious or critical in the page as it is."""
    driver.execute_script(AXE.read_text())
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in driver.execute_async_script(_RUN)
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
