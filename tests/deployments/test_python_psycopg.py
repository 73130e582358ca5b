"""psycopg without its compiled part: what it adapts by itself gives the same values."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.optional import needs_import

# Of what adapts values, or waits: the fields, the log, round trips, misses and batches.
TESTS = (
    "tests/zoo",
    "tests/integration/test_cast_texts.py",
    "tests/integration/test_every_write.py",
    "tests/integration/test_lazy_prime.py",
    "tests/integration/test_refresh.py",
    "tests/integration/test_round_trip.py",
    "tests/integration/test_session_time_zone.py",
)


@pytest.mark.long
def test_its_values_are_the_same() -> None:
    environment = {name: os.environ[name] for name in os.environ if "PYTEST" not in name}
    environment["PSYCOPG_IMPL"] = "python"
    needs_import("psycopg", environment, package="libpq5")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not long", *TESTS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
