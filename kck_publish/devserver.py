"""``runserver`` says when no listener runs, and has one in its own process under DEV_LISTENER.

No command of Django's is replaced: whichever application brings ``runserver``, this looks at what
the process was started as.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence

from django.apps import apps
from django.db import Error, connections

from .conf import settings
from .exceptions import KckPublishError
from .following.process import close_thread
from .listener.listener import Listener
from .log.connected_listeners import LISTENING
from .postgres import describe

# Seconds after the start before it looks: the server's own lines come first.
LATER = 0.5


def connect() -> None:
    """Begin to look, if this process serves for a developer."""
    if serves(sys.argv, os.environ.get("RUN_MAIN")):
        threading.Thread(target=_look, daemon=True, name="kck-dev-listener").start()


def serves(argv: Sequence[str], run_main: str | None) -> bool:
    """Whether a process is ``runserver``'s that serves, and not the one that only reloads it."""
    reloads = "--noreload" not in argv
    return "runserver" in argv[1:2] and (run_main == "true" or not reloads)


def _look() -> None:
    apps.ready_event.wait()
    time.sleep(LATER)
    try:
        if _is_listening():
            return
        if not settings.DEV_LISTENER:
            _say(
                "No listener runs: what is stored is not refreshed. Run `manage.py kck_listen`, or "
                "set KCK_PUBLISH['DEV_LISTENER'] = True to have one in runserver."
            )
            return
        _say("No listener runs: following the log in this process (DEV_LISTENER).")
        Listener(settings.DATABASE, say=_say).run()
    except (Error, KckPublishError) as error:
        _say(f"Whether a listener runs is not known ({describe(error)}).")
    finally:
        close_thread()


def _is_listening() -> bool:
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(LISTENING)
        return bool(cursor.fetchone()[0])


def _say(line: str) -> None:
    print(f"kck_publish: {line}", file=sys.stderr, flush=True)
