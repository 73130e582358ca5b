"""Many threads of one process that begin at the same moment as those of other processes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any


def at_once(threads: int, run: Callable[[], list[Any]]) -> list[Any]:
    """What all have answered; an error is an answer too.

    Prints ``ready`` when all are connected, and lets them begin when a line comes.
    """
    from django.db import connection, connections

    gate, answers = threading.Barrier(threads + 1), []

    def one() -> None:
        connection.ensure_connection()
        gate.wait()
        gate.wait()
        try:
            answers.extend(run())
        except Exception as error:  # noqa: BLE001 - it is an answer too
            answers.append(repr(error))
        finally:
            connections.close_all()

    running = [threading.Thread(target=one) for _ in range(threads)]
    for thread in running:
        thread.start()
    gate.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    gate.wait()
    for thread in running:
        thread.join()
    return answers
