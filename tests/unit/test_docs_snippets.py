"""Every Python block of README.md and of docs/ compiles and runs as written (see docs_project).

A page of docs/ is a project of its own. The pages of a folder below it are one project, read in the
order of its index, but for those that say `<!-- a project of its own -->`; the tutorials are
followed by tests/acceptance/test_tutorials.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from example_app.embedded_postgres import PostgresServer
from tests.docs_project import Block, blocks, write_project, write_templates

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "docs" / name for name in ("coming-from", "explanation", "howto", "reference")]
OWN = {
    page
    for folder in FOLDERS
    for page in folder.glob("*.md")
    if "<!-- a project of its own -->" in page.read_text()
}
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(OWN)]


def pages_of(place: Path) -> list[Path]:
    """The documents of one project, in the order in which they are read."""
    if place.is_file():
        return [place]
    listed = (place / "index.md").read_text().partition("```{toctree}")[2].split()
    pages = [
        place / f"{name}.md"
        for name in listed
        if (place / f"{name}.md").exists() and "/" not in name
    ]
    assert {*pages} | {place / "index.md"} == {*place.glob("*.md")}, "a page is in no toctree"
    return [page for page in pages if page not in OWN]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database that a document's project has for itself."""
    name = f"docs_{os.getpid()}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres_server.dsn_of(name)
        connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))


def run_project(
    folder: Path, found: list[Block], database: str
) -> subprocess.CompletedProcess[str]:
    write_project(folder, found)
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs_project", str(folder)],
        cwd=ROOT,
        env={**os.environ, "KCK_TEST_DATABASE": database},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("place", [*DOCUMENTS, *FOLDERS], ids=name_of)
def test_blocks_compile(place: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in pages_of(place):
            for block in blocks(path, name_of(path)):
                block.compiled()


@pytest.mark.long
@pytest.mark.parametrize("place", [*DOCUMENTS, *FOLDERS], ids=name_of)
def test_blocks_run(place: Path, tmp_path: Path, empty_database: str) -> None:
    found = [block for path in pages_of(place) for block in blocks(path, name_of(path))]
    for path in pages_of(place):
        write_templates(tmp_path, path)
    if any(block.run for block in found):
        done = run_project(tmp_path, found, empty_database)
        assert done.returncode == 0, done.stdout + done.stderr


GOOD = """
```python
# shelf/models.py
from django.db import models

class Box(models.Model):
    name = models.TextField()
```
<!-- python
from shelf.models import Box
-->
```python
await Box.objects.acreate(name="a")
assert Box.objects.get().name == "a"
```
```python raises=DoesNotExist
Box.objects.get(pk=-1)
```
```python no-run
Box.objects.get(...).explode()
```
```html write=shelf/templates/box.html
<b>{{ box.name }}</b>
```
<!-- python
from django.template.loader import render_to_string
assert render_to_string("box.html", {"box": Box(name="a")}) == "<b>a</b>\\n"
-->
"""


def test_a_document_becomes_a_project(tmp_path: Path, empty_database: str) -> None:
    document = tmp_path / "good.md"
    document.write_text(GOOD)
    found = blocks(document, "good.md")
    assert [(b.line, b.file, b.run) for b in found] == [
        (3, "shelf/models.py", True),
        (10, None, True),
        (13, None, True),
        (17, None, True),
        (20, None, False),
        (26, None, True),
    ]
    write_templates(tmp_path, document)
    done = run_project(tmp_path, found, empty_database)
    assert done.returncode == 0, done.stderr


def test_a_block_that_fails_is_named_with_its_line(tmp_path: Path, empty_database: str) -> None:
    document = tmp_path / "bad.md"
    document.write_text("text\n\n```python\nx = 1\nassert x == 2\n```\n")
    done = run_project(tmp_path, blocks(document, "bad.md"), empty_database)
    assert done.returncode == 1
    assert 'File "bad.md", line 5' in done.stderr


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "odd.md"
    document.write_text("```python norun\n```\n")
    with pytest.raises(ValueError, match=r"odd.md:1.*norun"):
        blocks(document, "odd.md")
