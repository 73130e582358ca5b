"""One process of a herd: many threads that miss one key at once. Run by ``test_herd.py``.

Prints ``ready`` when all threads are connected, waits for a line on its input, lets them read, and
prints how many computes there were and which answers.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any


def main() -> None:
    import django

    django.setup()
    from django.db import connection, connections

    from tests.catalog import primers

    def slowly(product: str, parameters: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")

    primers.interfere.append(slowly)
    threads = int(sys.argv[1])
    gate = threading.Barrier(threads + 1)
    answers: list[Any] = []

    def read() -> None:
        connection.ensure_connection()
        gate.wait()
        gate.wait()
        try:
            answers.append(primers.ItemTotal.cached.get(group=1))
        except Exception as error:  # noqa: BLE001 - it is an answer too
            answers.append(repr(error))
        finally:
            connections.close_all()

    running = [threading.Thread(target=read) for _ in range(threads)]
    for one in running:
        one.start()
    gate.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    gate.wait()
    for one in running:
        one.join()
    print(json.dumps({"computed": len(primers.computed), "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
