"""Reads a tutorial as a reader would: writes its files, runs its commands, compares the output.

```console                   lines that begin with "$ " are run in the project's folder, and what
                             they print must be what follows ("..." stands for anything)
```console background=WORD   the command goes on running; WORD in its output says that it is up
```console eventually        repeated until it prints what follows
```console no-run            not run
```python write=PATH         the file is this block
```python append=PATH        the block is added to the file; so with ```html
<!-- console ... -->         the same, but not shown; "restart" starts the background anew
"""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEP = re.compile(
    r"^```(?P<language>console|python|html)[ \t]*(?P<info>[^\n]*)\n(?P<text>.*?)^```[ \t]*$"
    r"|^<!-- (?P<hidden>console|append=|restart)(?P<more>[^\n]*)\n(?P<inside>.*?)^-->[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
PATIENCE = 60.0
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Step:
    """One block of a tutorial; ``line`` is that of its fence, counted from 1."""

    line: int
    language: str
    options: Mapping[str, str]
    text: str


def steps(text: str) -> Iterator[Step]:
    """The blocks that are run, in order."""
    for match in STEP.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["hidden"] == "append=":
            yield Step(line, "python", {"append": match["more"].strip()}, match["inside"])
            continue
        info = match["info"] if match["hidden"] is None else match["more"]
        options = dict(word.partition("=")[::2] for word in info.split())
        if "no-run" not in options:
            body = match["text"] if match["hidden"] is None else match["inside"]
            yield Step(line, match["language"] or "console", options, body)


@dataclass
class Reader:
    """A reader at a terminal: a folder, an environment, and what was started in other terminals."""

    folder: Path
    environment: dict[str, str]
    replaced: dict[str, str] = field(default_factory=dict)
    running: list[tuple[str, str, subprocess.Popen[bytes], Path]] = field(default_factory=list)

    def follow(self, text: str, name: str) -> None:
        """Do what a tutorial says. Raises AssertionError, with the line, where it is wrong."""
        try:
            for step in steps(text):
                if step.language in ("python", "html"):
                    self._write(step)
                elif "restart" in step.options:
                    self._restart()
                else:
                    self._run(step, name)
        finally:
            self.stop()

    def stop(self) -> None:
        """End what runs in the other terminals."""
        for _, _, process, _ in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for _, _, process, _ in self.running:
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _restart(self) -> None:
        self.stop()
        again, self.running = self.running, []
        for command, word, _, _ in again:
            self._start(command, word)

    def _write(self, step: Step) -> None:
        for mode, name in step.options.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open({"write": "w", "append": "a"}[mode]) as file:
                file.write(self._local(step.text))

    def _run(self, step: Step, name: str) -> None:
        for part in re.split(r"^\$ ", step.text, flags=re.MULTILINE)[1:]:
            command, _, wanted = part.partition("\n")
            command = self._local(command)
            if "background" in step.options:
                self._start(command, step.options["background"])
            elif command.startswith("cd "):
                self.folder /= command[3:]
            else:
                self._compare(command, wanted, "eventually" in step.options, f"{name}:{step.line}")

    def _compare(self, command: str, wanted: str, eventually: bool, place: str) -> None:
        checker, until = doctest.OutputChecker(), time.monotonic() + PATIENCE
        while True:
            done = subprocess.run(
                command,
                shell=True,
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                text=True,
            )
            fits = checker.check_output(self._local(wanted), done.stdout, FLAGS)
            if fits and done.returncode == 0:
                return
            if not eventually or time.monotonic() > until:
                raise AssertionError(
                    f"{place}: {command}\nexit status {done.returncode}, printed:\n{done.stdout}\n"
                    f"the page says:\n{wanted}"
                )
            time.sleep(0.1)  # between two tries of a reader who waits for the listener

    def _start(self, command: str, word: str) -> None:
        log = self.folder / f".terminal{len(self.running)}.{time.monotonic_ns()}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command.split(),
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running.append((command, word, process, log))
        until = time.monotonic() + PATIENCE
        while word not in log.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{command}: no {word!r} in its output:\n{log.read_text()}")
            time.sleep(0.05)

    def _local(self, text: str) -> str:
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text


def environment(database: Mapping[str, str], programs: Path) -> dict[str, str]:
    """The environment of a reader whose PostgreSQL is this one.

    Args:
        database: PGHOST, PGPORT, PGUSER.
        programs: the folder of psql.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "KCK_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"], str(programs)])
    return {**inherited, **database, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
