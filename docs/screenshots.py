"""Makes docs/screenshots/*.png of the built site: ``make docs && python docs/screenshots.py``.

Needs Chromium. Each page at two widths, light and dark. Those of the admin are made by its test:
``KCK_SCREENSHOTS=docs/screenshots pytest tests/operated/test_browser.py``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SITE = DOCS / "_build" / "html"
PAGES = {
    "start": "index.html",
    "tutorial": "tutorial/first-product.html",
    "reference": "reference/index.html",
}
SIZES = {"wide": "1280,900", "narrow": "500,900"}  # Chromium has no narrower window
SCHEMES = {"light": 1, "dark": 0}


def main() -> int:
    """Make all of them; 1 where there is no browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("Chromium is not installed", file=sys.stderr)
        return 1
    (DOCS / "screenshots").mkdir(exist_ok=True)
    for page, path in PAGES.items():
        for width, size in SIZES.items():
            for name, scheme in SCHEMES.items():
                target = DOCS / "screenshots" / f"{page}-{width}-{name}.png"
                _shoot(browser, SITE / path, target, size, scheme)
    return 0


def _shoot(browser: str, page: Path, target: Path, size: str, scheme: int) -> None:
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-background-networking",
                f"--user-data-dir={profile}",
                f"--window-size={size}",
                f"--blink-settings=preferredColorScheme={scheme}",
                f"--screenshot={target}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    print(target.relative_to(DOCS.parent))


if __name__ == "__main__":
    sys.exit(main())
