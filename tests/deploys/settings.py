"""The settings of the tests, with this application; KCK_TEST_VERSION says which version it is."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.deploys"]  # noqa: F405
KCK_PUBLISH = {"SHARDS": 2, "SILENCE": 60}
