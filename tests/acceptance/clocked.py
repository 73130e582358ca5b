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
from typing import Any

from tests.acceptance.at_once import at_once


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
    from kck_publish import Cache

    cache = Cache.get_instance()
    call = cache.get if what == "read" else cache.refresh
    return at_once(threads, lambda: [call(key) for _ in range(times)])


def main() -> None:
    import django

    django.setup()
    what, key, *numbers = sys.argv[1:]
    answers = watch(key) if what == "watch" else together(what, key, *map(int, numbers))
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
