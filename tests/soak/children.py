"""The soak's child processes: Python ones that are told to pause by their stdin, and listeners.

What each prints goes to a log file of its own. None outlives the soak, SIGKILL included, even one
that is stopped at that moment: the kernel kills them (where it is Linux).
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Called first in each child, which also tells where it hangs when it is asked."""
    faulthandler.register(signal.SIGUSR1)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# Psycopg cannot close a cursor of a server that has gone, and then says that it was left open.
_LEFT_OPEN = "ignore:<django.db.backends.postgresql.base.ServerSideCursor:ResourceWarning"
WARNINGS = ("-W", "error", "-W", _LEFT_OPEN)


class Child:
    """One process, and what it has printed.

    Args:
        name: of its log file.
        arguments: of Python.
        environment: added to ours.
        folder: where the log goes, appended.
    """

    def __init__(
        self, name: str, arguments: list[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.began = time.time()
        self.stopped = False  # by SIGSTOP
        self.log = folder / f"{name}.log"
        self._answers: list[str] = []
        self._changed = threading.Condition()
        self.popen = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", *WARNINGS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("ab"),
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def said(self, word: str) -> bool:
        """Whether it has printed this since the last order."""
        with self._changed:
            return any(word in one for one in self._answers)

    def order(self, word: str) -> None:
        """Tell it something; what it said before is forgotten."""
        with self._changed:
            self._answers.clear()
        assert self.popen.stdin is not None
        with suppress(BrokenPipeError):
            self.popen.stdin.write(word + "\n")
            self.popen.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing if it has ended."""
        if number == signal.SIGSTOP:
            self.stopped = True
        elif number == signal.SIGCONT:
            self.stopped = False
        self.popen.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int:
        """End it; its exit status. One that does not end in time is killed: status -9."""
        self.send(number)
        if self.stopped:
            self.send(signal.SIGCONT)
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.send_signal(signal.SIGABRT)  # says where it is
            self.popen.wait(10)
            status = -signal.SIGKILL
        self._reader.join(10)
        for pipe in (self.popen.stdin, self.popen.stdout):
            with suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        return status

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self._changed:
                self._answers.append(line)
                self._changed.notify_all()
            with self.log.open("a") as file:
                file.write(line)


class Orders(threading.Thread):
    """A child's side: reads orders from stdin; when that ends, so does the process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._pause = threading.Event()
        self._go = threading.Event()
        self._end = threading.Event()
        self._go.set()
        self.start()

    def run(self) -> None:
        for line in sys.stdin:
            if line.strip() == "pause":
                self._go.clear()
                self._pause.set()
            else:
                self._pause.clear()
                self._go.set()
        self._end.set()
        self._go.set()

    @property
    def pausing(self) -> bool:
        """Whether to come to rest: then call `rest`."""
        return self._pause.is_set()

    @property
    def ending(self) -> bool:
        return self._end.is_set()

    def rest(self) -> None:
        """Say that we rest, and wait until told to go on."""
        print("paused", flush=True)
        self._go.wait()
