"""Every link in the documents leads somewhere: to a file here, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The headings of a page, as its renderers name them."""
    found = HEADING.findall(path.read_text())
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(other), f"{page.name}: {target}"


def test_an_old_address_leads_to_every_page_that_took_its_place() -> None:
    docs = ROOT / "docs"
    links = re.findall(r'href="([^"]+)"', (docs / "_moved" / "reference.html").read_text())
    pages = {f"reference/{page.stem}.html" for page in (docs / "reference").glob("*.md")}
    assert set(links) == pages
    assert '"_moved"' in (docs / "conf.py").read_text()


def test_an_anchor_is_what_a_renderer_makes_of_a_heading(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# `kck_listen`, in short\n\n## One's own writes\n")
    assert anchors(page) == {"kck_listen-in-short", "ones-own-writes"}


def test_the_glossary_has_at_most_forty_words() -> None:
    rows = re.findall(r"^\| \*\*", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert 20 <= len(rows) <= 40
