"""``kck_prime`` as processes: side by side, killed, gone on with, and what is said of it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.fixtures import sql

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
ROOT = Path(__file__).parents[2]
NAMES = ["warming_above", "warming_below"]


class Warming:
    """Runs ``kck_prime`` in a folder where its primers write down what they compute."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self._environment = {
            **environment,
            "DJANGO_SETTINGS_MODULE": "tests.warming.settings",
            "PYTHONPATH": str(ROOT),
            "WARMING_FOLDER": str(folder),
        }

    def start(self, *arguments: str, stderr: Any = subprocess.PIPE, **tell: object) -> Any:
        told = {f"WARMING_{name.upper()}": str(value) for name, value in tell.items()}
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "django", "kck_prime", *arguments],
            env={**self._environment, **told},
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    def run(self, *arguments: str, **tell: object) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **tell)
        out, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, errors)

    @property
    def computed(self) -> list[list[str]]:
        """What was computed: product, n, process and time."""
        file = self.folder / "computed"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def forget(self) -> None:
        (self.folder / "computed").unlink(missing_ok=True)


@pytest.fixture
def warming(process_environment: dict[str, str], tmp_path: Path) -> Warming:
    return Warming(process_environment, tmp_path)


def _stored(product: str) -> int:
    query = "SELECT count(*)::int FROM kck_publish_entry WHERE product = %s"
    ((count,),) = sql(query, product)
    return int(count)


def test_workers_prime_side_by_side_and_in_the_order_of_dependence(warming: Warming) -> None:
    done = warming.run("--workers", "2", *NAMES, seconds=0.02)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted(NAMES, reverse=True)
    assert "60 of 60" in done.stdout
    assert [_stored(name) for name in NAMES] == [60, 60]
    assert len({process for name, _, process, _ in warming.computed if name == "below"}) == 2
    counted = Counter((name, n) for name, n, _, _ in warming.computed)
    assert set(counted.values()) == {1}
    last = max(float(at) for name, _, _, at in warming.computed if name == "below")
    assert last < min(float(at) for name, _, _, at in warming.computed if name == "above")


def test_a_killed_run_is_gone_on_with(warming: Warming, wait_until: Any) -> None:
    """And its workers do not outlive it."""
    process = warming.start("--workers", "2", "warming_below", seconds=0.05)
    wait_until(lambda: _stored("warming_below") >= 8, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    workers = {int(pid) for _, _, pid, _ in warming.computed}
    wait_until(lambda: not any(map(_is_running, workers)))
    kept = _stored("warming_below")
    assert 8 <= kept < 60
    warming.forget()
    assert warming.run("--workers", "2", "warming_below").returncode == 0
    assert len(warming.computed) == 60 - kept
    warming.forget()
    assert "60 of 60" in warming.run("warming_below").stdout
    assert warming.computed == []


def test_a_worker_that_is_killed_loses_nothing(warming: Warming, wait_until: Any) -> None:
    process = warming.start("--workers", "2", "warming_below", seconds=0.05)
    workers = wait_until(lambda: {int(pid) for _, _, pid, _ in warming.computed}, 60)
    os.kill(workers.pop(), signal.SIGKILL)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert "60 of 60" in out
    assert _stored("warming_below") == 60


def test_a_key_that_kills_its_worker_is_named(warming: Warming) -> None:
    done = warming.run("--workers", "2", "warming_below", kills="13,40", fails="7")
    assert done.returncode == 1
    assert "57 of 60, 3 failed" in done.stdout
    for line in (
        "warming_below/7: ValueError",
        "warming_below/13: WorkerDied",
        "warming_below/40: WorkerDied",
        "3 keys could not be primed",
    ):
        assert line in done.stderr
    assert _stored("warming_below") == 57
    assert warming.run("--workers", "2", "warming_below").returncode == 0
    assert _stored("warming_below") == 60


def test_keys_that_kill_every_worker_end_it_all_the_same(warming: Warming) -> None:
    every = ",".join(map(str, range(60)))
    done = warming.run("--workers", "2", "warming_below", kills=every)
    assert done.returncode == 1
    assert "60 keys could not be primed" in done.stderr


def test_interrupted_by_hand(warming: Warming, wait_until: Any) -> None:
    """Ctrl-C ends it and its workers, whatever these are doing; what they have stored stays."""
    process = warming.start("--workers", "2", "warming_below", holds="30", seconds=0.01)
    wait_until(lambda: (warming.folder / "held").exists(), 60)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    workers = {int(pid) for _, _, pid, _ in warming.computed}
    wait_until(lambda: not any(map(_is_running, workers)))
    assert _stored("warming_below")


def test_a_bar_on_a_terminal_and_lines_elsewhere(warming: Warming) -> None:
    ours, theirs = pty.openpty()
    process = warming.start("warming_below", stderr=theirs)
    os.close(theirs)
    out, _ = process.communicate(timeout=60)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert shown.count(b"\r\x1b[K") > 2
    assert b"primed" in shown
    assert "\r" not in out
    assert len(out.splitlines()) == 1


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
