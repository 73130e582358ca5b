"""Makes docs/screenshots/dashboard-*.png of a running demo.

``make demo``, and in another shell ``python docs/dashboard_screenshots.py ADDRESS USER PASSWORD``
with what it has printed. Needs Chromium and its driver. Each page wide and light, narrow and dark.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

FOLDER = Path(__file__).resolve().parent / "screenshots"
PAGES = {
    "overview": ("kck/", ".uplot"),
    "products": ("kck/products/", "#products tbody tr"),
    "product": ("kck/products/departure_board/", ".uplot"),
    "graph": ("kck/graph/", "#graph[data-ready]"),
}
LOOKS = {"wide-light": (1280, 1), "narrow-dark": (500, 0)}
HEIGHT, TALLEST = 1000, 1700
BORDER = 140  # of the window, above the page


def main(address: str, user: str, password: str) -> None:
    """Make all of them."""
    for look, (width, scheme) in LOOKS.items():
        options = ChromeOptions()
        for argument in (
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--window-size={width},{HEIGHT}",
            f"--blink-settings=preferredColorScheme={scheme}",
        ):
            options.add_argument(argument)
        options.binary_location = shutil.which("chromium") or "google-chrome"
        driver = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
        try:
            driver.get(f"{address}kck/")
            driver.find_element("name", "username").send_keys(user)
            driver.find_element("name", "password").send_keys(password)
            driver.find_element("css selector", "button").click()
            for name, (path, selector) in PAGES.items():
                driver.set_window_size(width, HEIGHT)
                driver.get(address + path)
                there = expected_conditions.presence_of_element_located((By.CSS_SELECTOR, selector))
                WebDriverWait(driver, 20).until(there)
                tall = driver.execute_script("return document.body.scrollHeight")
                driver.set_window_size(width, min(max(tall + BORDER, HEIGHT), TALLEST))
                driver.save_screenshot(str(FOLDER / f"dashboard-{name}-{look}.png"))
        finally:
            driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
