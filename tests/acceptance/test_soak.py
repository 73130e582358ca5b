"""A short soak: promises 2, 3 and 4 among processes that are killed, stopped and cut off."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.pgbouncer import PROGRAM
from tests.optional import needs

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Start]:
    """Start a soak whose files are in this test's folder; one that still runs is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.soak", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "more", [(), ("--near",), ("--pgbouncer",)], ids=["store", "near", "pooler"]
)
def test_a_short_soak(soak: Start, more: tuple[str, ...]) -> None:
    if "--pgbouncer" in more:
        needs(PROGRAM, "pgbouncer")
    process = soak("--changes", "2500", "--seed", "1", *more)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "0 stale, 0 lost, 0 applied twice" in said
    assert "survived" in said


def children_of(pid: int) -> set[int]:
    """The processes that a process has started, and what these have."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.split()
    parents = dict(zip(map(int, found[::2]), map(int, found[1::2]), strict=True))
    family = {pid}
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    return family - {pid}


def test_ctrl_c_leaves_nothing_behind(soak: Start, wait_until: Any) -> None:
    process = soak("--changes", "1000000")
    assert process.stdout is not None
    said = ""
    while "all is true" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    family = children_of(process.pid)
    assert len(family) > 5
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said + rest
    assert "Traceback" not in rest
    found = re.search(r"folder (\S+)", said)
    assert found is not None
    assert not Path(found[1]).exists()
    wait_until(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])
