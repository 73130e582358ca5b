"""The demo's child processes: the listener and the site, as anybody would start them.

Each runs under ``with_parent``, so none outlives the demo, and in a session of its own: Ctrl-C in
the terminal reaches the demo only, which then ends them in order.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter, deque
from contextlib import AbstractContextManager
from pathlib import Path

from .demo_report import DemoError, until

HERE = Path(__file__).parent
STOP_SECONDS = 10.0


class Child(AbstractContextManager["Child", None]):
    """One script of the example, running. What it prints is kept, and counted by first words.

    Args:
        script: a file in this folder.
        arguments: for the script.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        self.name = " ".join([script, *arguments])
        self.said: Counter[str] = Counter()  # how often a line began with these two words
        self._lines: deque[str] = deque(maxlen=40)
        self._process = subprocess.Popen(
            [
                sys.executable,
                *(f"-W{option}" for option in sys.warnoptions),
                str(HERE / "with_parent.py"),
                str(HERE / script),
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", "EXAMPLE_LOG_LEVEL": "INFO"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process itself: there is none between."""
        return self._process.pid

    def wait_for(self, text: str, seconds: float) -> str:
        """The line that contains the text, once it is printed.

        Raises:
            DemoError: it was not printed in time, or the process has ended.
        """

        def line() -> str | None:
            found = next((one for one in list(self._lines) if text in one), None)
            if found is None and self._process.poll() is not None:
                self._reader.join(1.0)
                raise DemoError(f"{self.name} {self.ended()}:\n{self.tail()}")
            return found

        return until(line, seconds, f"{self.name} prints {text!r}")

    def ended(self) -> str:
        """How it ended; empty while it runs."""
        status = self._process.poll()
        return "" if status is None else f"has ended with status {status}"

    def tail(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self._lines)

    def kill(self) -> None:
        """SIGKILL: it has no chance to say goodbye."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and its exit status; one that does not end is killed."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line.rstrip("\n"))
            self.said[" ".join(line.split()[:2])] += 1

    def __exit__(self, *error: object) -> None:
        self.stop()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._reader.join(1.0)
        self._process.stdout.close()
