"""Take each guard out of a copy of the tree, run its test, and say which test has noticed."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Queue

from example_app.embedded_postgres import EmbeddedPostgres
from tests.mutations.guards import GUARDS, ROOT, Guard, check_syntax
from tests.mutations.table import TABLE, render

# A test that has not ended by then has noticed too: without a guard it may wait. Of many tests that
# are run together, each has so many more.
SECONDS, MORE = 240, 30
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Bench:
    """A copy of the tree and a server of its own, for one mutation at a time."""

    def __init__(self, folder: Path, server: EmbeddedPostgres) -> None:
        self._folder, self._server = folder, server
        for name in ("kck_publish", "tests", "example_app", "pyproject.toml", "migrations", "docs"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)

    def fails(self, guard: Guard) -> str:
        """Which test fails without the guard; nothing when none does."""
        paths = [self._folder / path.relative_to(ROOT) for path in guard.files]
        before = {path: path.read_text() for path in paths}
        try:
            for path, (old, new) in zip(paths, guard.without, strict=True):
                path.write_text(path.read_text().replace(old, new))
                check_syntax(path, path.read_text())
            return self.run(guard.test)
        finally:
            for path, text in before.items():
                path.write_text(text)

    def run(self, *tests: str) -> str:
        """The first of the tests that fails."""
        try:
            done = subprocess.run(
                [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-n", "0", "--tb=no", *tests],
                cwd=self._folder,
                capture_output=True,
                text=True,
                timeout=SECONDS + MORE * (len(tests) - 1),
                env={**os.environ, "DATABASE_URL": self._server.dsn},
            )
        except subprocess.TimeoutExpired:
            return f"{tests[0]} (does not end{', or one after it' if tests[1:] else ''})"
        if found := re.search(r"^FAILED (.+?)(?: - .*)?$", done.stdout, re.MULTILINE):
            return found[1]
        if done.returncode:
            sys.exit(f"{tests[0]} could not be run:\n{done.stdout}{done.stderr}")
        return ""


def main() -> int:
    """Exit status 1 when a guard can be taken out and its test does not notice."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("words", nargs="*", help="only guards whose area or name holds one")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--share", default="1/1", help="1/4: the first guard of each four")
    parser.add_argument("--table", action="store_true", help="only write docs/guards.md")
    asked = parser.parse_args()
    if asked.table:
        TABLE.write_text(render())
        return 0
    guards = [
        one
        for one in GUARDS
        if not asked.words or any(word in f"{one.area} {one.name}" for word in asked.words)
    ]
    nth, of = map(int, asked.share.split("/"))
    guards = guards[nth - 1 :: of]
    with ExitStack() as stack:
        benches: Queue[Bench] = Queue()
        for _ in range(asked.jobs):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kck-mutations-"))
            server = stack.enter_context(EmbeddedPostgres.start(settings=SETTINGS))
            benches.put(Bench(Path(folder), server))
        bench = benches.get()
        if failed := bench.run(*dict.fromkeys(one.test for one in guards)):
            sys.exit(f"With every guard in its place {failed} fails.")
        benches.put(bench)

        def judge(guard: Guard) -> bool:
            bench = benches.get()
            try:
                failed = bench.fails(guard)
            finally:
                benches.put(bench)
            print(f"{guard.area}: {guard.name} → {failed or 'NOBODY NOTICES'}", flush=True)
            return bool(failed)

        with ThreadPoolExecutor(asked.jobs) as pool:
            noticed = list(pool.map(judge, guards))
    print(f"{sum(noticed)} of {len(noticed)} guards are held by their test.")
    return 0 if all(noticed) else 1


if __name__ == "__main__":
    sys.exit(main())
