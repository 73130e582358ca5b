"""The settings of processes that know the products of ``tests.hanging``."""

from __future__ import annotations

from tests.acceptance.listener_settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as BASE

INSTALLED_APPS = [*BASE, "tests.hanging"]
