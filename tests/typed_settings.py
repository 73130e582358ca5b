"""The tests' settings with all apps that there are, the soak's too: for mypy's plugin."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as OF_TESTS

INSTALLED_APPS = [*OF_TESTS, "tests.soak", "tests.upgrade"]
