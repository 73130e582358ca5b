"""What is uploaded is complete: the wheel works in an environment that has nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_the_wheel_works_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="the group docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.release", "--folder", str(tmp_path / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the wheel works by itself" in done.stdout
