"""Programs that no Python package brings: a test that needs one skips where it is not installed.

With KCK_REQUIRE_ALL=1, as CI sets it, the test fails instead: nothing is left out there unseen.
"""

from __future__ import annotations

import os
import shutil

import pytest


def needs(program: str, package: str = "") -> str:
    """The path of a program.

    Args:
        program: its name, or its path where it is not on the PATH.
        package: the Debian package that brings it, where that has another name.
    """
    if path := shutil.which(program):
        return path
    reason = f"{program} is not installed (apt-get install {package or program})"
    if os.environ.get("KCK_REQUIRE_ALL", "0") not in ("", "0"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
