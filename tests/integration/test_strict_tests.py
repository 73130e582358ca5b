"""In a test run what is not declared is an error: pytest-django's, pytest's, Django's runner's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from example_app.embedded_postgres import PostgresServer
from kck_publish.products import strict
from kck_publish.products.strict import in_test_run
from tests.relations.strict_tests import StrictTest as Strict

ROOT = Path(__file__).resolve().parents[2]
ASKED = "from kck_publish.products.strict import in_test_run\ndef test_it(): assert in_test_run()"


@pytest.fixture(autouse=True)
def as_in_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of the library itself read what they like (conftest)."""
    monkeypatch.setattr(strict, "in_test_run", in_test_run)


class StrictTest(Strict):
    """By pytest-django."""


def run(*arguments: str, database: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "KCK_TEST_DATABASE": database,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.long
def test_under_manage_py_test(postgres_server: PostgresServer) -> None:
    database = postgres_server.dsn_of(f"strict_{os.getpid()}")
    done = run("django", "test", "tests.relations.strict_tests", database=database)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 5 tests" in done.stderr


def test_under_pytest_alone(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(ASKED)
    options = ("-p", "no:django", "-p", "kck_publish.pytest_plugin", "-c", "/dev/null")
    done = run("pytest", *options, str(tmp_path / "test_it.py"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_nowhere_else() -> None:
    program = "from kck_publish.products.strict import in_test_run; assert not in_test_run()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == 0
