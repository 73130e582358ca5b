"""Programs that no Python package brings: a test that needs one skips where it is not installed.

With KCK_REQUIRE_ALL=1, as CI sets it, the test fails instead: nothing is left out there unseen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import NoReturn

import pytest


def needs(program: str, package: str = "") -> str:
    """The path of a program.

    Args:
        program: its name, or its path where it is not on the PATH.
        package: the Debian package that brings it, where that has another name.
    """
    return shutil.which(program) or _miss(program, package or program)


def needs_import(module: str, environment: Mapping[str, str], package: str) -> None:
    """See that a Python of its own, in this environment, can import a module.

    Args:
        package: the Debian package that brings what it needs.
    """
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env=dict(environment),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        _miss(module, package)


def _miss(name: str, package: str) -> NoReturn:
    reason = f"{name} is not installed (apt-get install {package})"
    if os.environ.get("KCK_REQUIRE_ALL", "0") not in ("", "0"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
