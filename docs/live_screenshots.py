"""Makes docs/screenshots/live-*.png: a departure board before and after a commit in psql.

``make demo``, and in another shell ``python docs/live_screenshots.py ADDRESS DSN`` with what it has
printed. Needs Chromium and its driver, and psql. It prints the milliseconds from the commit to the
page, and takes its changes back.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.ui import WebDriverWait

FOLDER = Path(__file__).resolve().parent / "screenshots"
DAY = "2013-01-14"  # not the day whose delays the demo replays
SIZE = "760,560"
# When the row of a flight has last changed, in milliseconds of the machine's clock.
NOTE = """
const row = document.querySelector(`tr[data-id="${arguments[0]}"]`);
new MutationObserver(() => { window.changedAt = Date.now(); })
  .observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
return document.querySelectorAll("tbody tr").length;
"""


def main(address: str, dsn: str) -> None:
    """Make all of them."""
    with _browser() as driver:
        driver.get(f"{address.rstrip('/')}/board/JFK/{DAY}")
        rows = driver.find_elements("css selector", "tbody tr")
        flights = [int(rows[number].get_attribute("data-id") or 0) for number in (1, 3)]
        before = [
            _sql(dsn, f"SELECT dep_delay FROM example_app_flight WHERE id = {n}") for n in flights
        ]
        time.sleep(2)  # the stream is open
        driver.save_screenshot(str(FOLDER / "live-1-before.png"))
        try:
            for number, flight, delay in ((2, flights[0], "99"), (3, flights[1], "NULL")):
                driver.execute_script(NOTE, flight)
                _change(dsn, flight, delay)
                committed = time.time() * 1000
                changed = WebDriverWait(driver, 10).until(
                    lambda driver: driver.execute_script("return window.changedAt || 0")
                )
                driver.save_screenshot(str(FOLDER / f"live-{number}-after.png"))
                driver.execute_script("window.changedAt = 0")
                print(
                    f"picture {number}: {changed - committed:+.0f} ms from psql's end to the page"
                )
        finally:
            for flight, delay in zip(flights, before, strict=True):
                _change(dsn, flight, delay or "NULL")


def _change(dsn: str, flight: int, delay: str) -> None:
    _sql(dsn, f"UPDATE example_app_flight SET dep_delay = {delay} WHERE id = {flight}")


def _sql(dsn: str, statement: str) -> str:
    command = ["psql", dsn, "-X", "-q", "-A", "-t", "-c", statement]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def _browser() -> Iterator[Chrome]:
    options = ChromeOptions()
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        f"--window-size={SIZE}",
        "--blink-settings=preferredColorScheme=1",
    ):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or "google-chrome"
    driver = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
