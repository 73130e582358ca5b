"""One process of readers, for ``test_clocked.py``.

    read KEY THREADS TIMES       request KEY THREADS TIMES       watch KEY

``read`` and ``request`` print ``ready`` when all threads are connected, wait for a line on their
input, and let each thread read the key, or ask for its refresh, so often; then the answers are
printed. ``watch`` reads again and again until a line comes, and prints what it saw, without
repeats.
"""

from __future__ import annotations

import json
import select
import sys
import threading
from typing import Any


def watch(key: str) -> list[Any]:
    from kck_publish import Cache

    seen: list[Any] = []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.005)[0]:
        try:
            value = Cache.get_instance().get(key)
        except Exception as error:  # noqa: BLE001 - it is an answer too
            value = repr(error)
        if seen[-1:] != [value]:
            seen.append(value)
    return seen


def together(what: str, key: str, threads: int, times: int) -> list[Any]:
    from django.db import connection, connections

    from kck_publish import Cache

    gate, answers = threading.Barrier(threads + 1), []

    def run() -> None:
        cache = Cache.get_instance()
        connection.ensure_connection()
        gate.wait()
        gate.wait()
        try:
            call = cache.get if what == "read" else cache.refresh
            answers.extend([call(key) for _ in range(times)])
        except Exception as error:  # noqa: BLE001 - it is an answer too
            answers.append(repr(error))
        finally:
            connections.close_all()

    running = [threading.Thread(target=run) for _ in range(threads)]
    for one in running:
        one.start()
    gate.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    gate.wait()
    for one in running:
        one.join()
    return answers


def main() -> None:
    import django

    django.setup()
    what, key, *numbers = sys.argv[1:]
    answers = watch(key) if what == "watch" else together(what, key, *map(int, numbers))
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
