"""The pages that users read are plain: short sentences, a reader and a result named at the top."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.readability import ease, hints, messages, sentences, words

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    DOCS / "index.md",
    *sorted(
        page
        for folder in ("tutorial", "howto", "explanation", "coming-from")
        for page in (DOCS / folder).glob("*.md")
    ),
]
LISTS = [  # pages to look things up in: as plain, but without an opening of their own
    *sorted((DOCS / "reference").glob("*.md")),
    *(
        DOCS / f"{name}.md"
        for name in ("operating", "deployments", "live", "remote", "kafka", "promises", "glossary")
    ),
]
LONGEST = 32  # words of a sentence
EASE = 60.0  # Flesch: plain English
METAPHORS = re.compile(
    r"\b(doorbell|bell|echo|hand over|whoever|owed|nudge|ritual)\b", re.IGNORECASE
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [*PAGES, *LISTS], ids=name_of)
def test_a_page_reads_easily(page: Path) -> None:
    prose = sentences(page.read_text())
    assert not [sentence for sentence in prose if len(words(sentence)) > LONGEST]
    assert ease(prose) >= EASE
    assert not METAPHORS.findall(" ".join(prose))


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_a_page_names_its_reader_and_what_it_gives(page: Path) -> None:
    title, _, text = page.read_text().partition("\n\n")
    opening = " ".join(text.split("\n## ")[0].split())
    assert title.startswith("# ")
    assert re.match(r"\**For (developers|operators|Django developers)", opening), opening
    if page.name != "index.md":
        assert re.search(r"After this page|After it", opening), opening


def test_every_public_name_is_on_the_page_of_names() -> None:
    sys.path.insert(0, str(DOCS))
    try:
        import names
    finally:
        sys.path.remove(str(DOCS))
    assert names.PAGE.read_text() == names.page() + "\n", "run: python docs/names.py"


@pytest.mark.parametrize("texts", [messages, hints])
def test_what_the_library_says_is_short(texts: Callable[[], list[str]]) -> None:
    """The sentences of errors, and of checks, are no longer than those of the pages."""
    prose = texts()
    assert len(prose) > 50
    assert not [sentence for sentence in prose if len(words(sentence)) > LONGEST]


def test_a_long_sentence_is_found() -> None:
    assert len(words(sentences("# Title\n\n" + "word " * 40 + ".")[0])) == 40
    assert ease(["The cat sat on the mat."]) > ease(["Notwithstanding considerable complications."])
