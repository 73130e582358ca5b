"""Flame graphs: where a listener and a reader spend their time, into docs/benchmarks/flame-*.svg.

py-spy samples real processes, a listener and readers that this module runs as programs, so nothing
is slowed down. It must be allowed to trace them: as root, or with ``kernel.yama.ptrace_scope=0``.
What waits for the server or for sleep is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.documents import PICTURES
from benchmarks.drain import publish_all
from benchmarks.filling import fill
from benchmarks.near import near_store
from benchmarks.push import SETTINGS, change
from benchmarks.world import asleep, listening, world

ROWS = 20_000
SECONDS = float(os.environ.get("KCK_BENCH_SECONDS", "8"))
READS = ("instance", "hundred", "page", "miss")
# py-spy's title is the command, with the paths of this machine.
_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*')


def main() -> None:
    """Record all."""
    folder = Path(os.environ.get("KCK_BENCH_PICTURES", PICTURES))
    with world("flames: where the time goes", SETTINGS) as found, found.connect() as one:
        fill(one, ["leaflet", "book"], ROWS)
        with near_store() as path:
            publish_all(one, "leaflet", 1)
            publish_all(one, "book", 2)
            for name in READS:
                _record_reader(folder, f"read-{name}", name)
            if path is not None:
                for name in READS[:-1]:
                    _record_reader(folder, f"near-{name}", name, KCK_BENCH_NEAR=path)
        with listening() as listener, found.connect() as reader:
            asleep(reader)
            pid = listener.process.pid
            with _busy(lambda n: publish_all(one, "leaflet", 1)):
                _record(folder, "drain", pid)
            with _busy(lambda n: change(one, reader, n)):
                _record(folder, "one-change", pid)


@contextmanager
def _busy(run: Callable[[int], Any]) -> Iterator[None]:
    """Within the block it is run again and again."""
    ends = threading.Event()

    def repeat() -> None:
        number = 0
        while not ends.is_set():
            run(number := number + 1)

    with ThreadPoolExecutor(1) as pool:
        repeating = pool.submit(repeat)
        try:
            yield
        finally:
            ends.set()
        repeating.result()


def _record_reader(folder: Path, title: str, name: str, **environment: str) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flames", name],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    try:
        if not reader.stdout.readline():
            raise RuntimeError(f"the reader of {name} ended with {reader.wait()}")
        _record(folder, title, reader.pid)
    finally:
        reader.kill()
        reader.wait()


def _record(folder: Path, title: str, pid: int) -> None:
    """Sample a process for a while."""
    path = folder / f"flame-{title}.svg"
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid)]
    command += ["--duration", f"{SECONDS:.0f}", "--rate", "500", "--function"]
    command += ["--format", "flamegraph", "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"py-spy cannot trace a process here:\n{done.stderr}")
    path.write_text(_TITLE.sub(rf"\g<1>{title}", path.read_text()))
    print(f"   ![{title}](benchmarks/{path.name})\n", flush=True)


def _read(name: str) -> None:
    """A reader: until it is killed."""
    import django

    django.setup()
    from django.db import connection

    from benchmarks.models import Book
    from benchmarks.primers import AuthorPage

    hundred = list(range(1, 101))

    def miss() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM kck_publish_entry WHERE product = 'author_page'")
        AuthorPage.cached.get(author=1)

    read: Callable[[], object] = {
        "instance": lambda: Book.cached.get(pk=1),
        "hundred": lambda: Book.cached.in_bulk(hundred),
        "page": lambda: AuthorPage.cached.get_bytes(author=1),
        "miss": miss,
    }[name]
    read()
    print("reading", flush=True)
    while True:
        read()


if __name__ == "__main__":
    _read(sys.argv[1]) if len(sys.argv) > 1 else main()
