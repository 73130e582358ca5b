"""Reads the ```python blocks of a document, and runs them as the Django project that they describe.

    ```python                  run, in order, all in one namespace; `await` may be used at the top
    ```python no-run           only compiled
    ```python raises=Name      run, and must raise that exception
    # catalog/models.py        a first line like this: the block is (a part of) that file. Folders
                               become apps; `settings.py` is run at the end of the settings
    ```html write=PATH         that file is this block; other blocks of HTML are only shown
    <!-- python ... -->        run like a block, but not shown: what a reader need not see

`python -m tests.docs_project FOLDER` (used by the test, in a process of its own, because a Django
project can be set up once in a process) migrates and runs the project that `write_project` made.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import sys
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from asgiref.sync import async_to_sync

FENCE = re.compile(
    r"^(?P<indent> *)```python[ \t]*(?P<info>[^\n]*)\n(?P<code>.*?)^(?P=indent)```[ \t]*$"
    r"|^<!-- python\n(?P<hidden>.*?)^-->[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
PAGE = re.compile(r"^```html write=(?P<file>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ((?:\w+/)*\w+\.py)\b")

SETTINGS = """
import os
from example_app.embedded_postgres import PostgresServer
SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{
    "default": PostgresServer.from_url(os.environ["KCK_TEST_DATABASE"]).database_settings()
}}
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "pgtrigger", "kck_publish", *{apps!r}
]
TEMPLATES = [{{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {{"context_processors": ["django.contrib.auth.context_processors.auth"]}},
}}]
{more}
"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of a document; `line` is that of its first line of code, counted from 1."""

    document: str
    line: int
    code: str
    file: str | None = None
    run: bool = True
    raises: str | None = None

    def compiled(self) -> list[CodeType]:
        """Each statement's code, which knows the document's own lines. Raises SyntaxError.

        One by one, so that a block may mix statements that await with some that may not run under
        an event loop, as in a reader's shell.
        """
        tree = ast.parse("\n" * (self.line - 1) + self.code, self.document)
        flag = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return [
            compile(ast.Module([statement], []), self.document, "exec", flag)
            for statement in tree.body
        ]


def blocks(path: Path, name: str) -> list[Block]:
    """The Python blocks of a document. Raises ValueError for a word that is no known option."""
    text = path.read_text()
    found = []
    for match in FENCE.finditer(text):
        group = "code" if match["code"] is not None else "hidden"
        line = text.count("\n", 0, match.start(group)) + 1
        code = inspect.cleandoc("\n" + match[group]) + "\n"
        options = dict(word.partition("=")[::2] for word in (match["info"] or "").split())
        if unknown := set(options) - {"no-run", "raises"}:
            raise ValueError(f"{name}:{line - 1}: unknown option {sorted(unknown)} of a block")
        file = FILE_NAME.match(code)
        found.append(
            Block(
                document=name,
                line=line,
                code=code,
                file=file[1] if file else None,
                run="no-run" not in options,
                raises=options.get("raises"),
            )
        )
    return found


def write_templates(folder: Path, document: Path) -> None:
    """Write the templates of a document."""
    for match in PAGE.finditer(document.read_text()):
        target = folder / match["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(match["text"])


def write_project(folder: Path, found: list[Block]) -> None:
    """Write the files that blocks stand for, the settings, and the list of blocks to run."""
    files: dict[str, str] = {}
    for block in (b for b in found if b.run and b.file):
        assert block.file is not None
        files[block.file] = files.get(block.file, "") + block.code + "\n"
    more = files.pop("settings.py", "")
    apps = sorted({file.partition("/")[0] for file in files if "/" in file})
    for file, code in files.items():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        for package in target.relative_to(folder).parents[:-1]:
            (folder / package / "__init__.py").touch()
        target.write_text(code)
    (folder / "docs_settings.py").write_text(SETTINGS.format(apps=apps, more=more))
    to_run = [asdict(block) for block in found if block.run and not block.file]
    (folder / "blocks.json").write_text(json.dumps({"apps": apps, "blocks": to_run}))


async def wait_for(coroutine: Coroutine[Any, Any, None]) -> None:
    """async_to_sync takes functions; with it, database work stays on this thread's connection."""
    await coroutine


def run_block(block: Block, namespace: dict[str, Any]) -> None:
    """Run one block; the exception that it announces is taken, any other goes up."""
    try:
        for code in block.compiled():
            waiting = eval(code, namespace)
            if code.co_flags & inspect.CO_COROUTINE:
                async_to_sync(wait_for)(waiting)
    except Exception as error:  # whichever class the document names
        if block.raises is None or type(error).__name__ != block.raises:
            raise
        return
    if block.raises is not None:
        raise AssertionError(f"{block.document}:{block.line}: no {block.raises} was raised")


def main(folder: Path) -> None:
    """Set the project up and run its blocks in order."""
    sys.path.insert(0, str(folder))
    os.environ["DJANGO_SETTINGS_MODULE"] = "docs_settings"
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    plan = json.loads((folder / "blocks.json").read_text())
    if plan["apps"]:
        call_command("makemigrations", *plan["apps"], verbosity=0)
    call_command("migrate", verbosity=0)
    namespace: dict[str, Any] = {"__name__": "docs"}
    try:
        for values in plan["blocks"]:
            run_block(Block(**values), namespace)
    finally:
        connections.close_all()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
