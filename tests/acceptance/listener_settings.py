"""The tests' settings, with the ``KCK_PUBLISH`` that a test hands to its listener."""

from __future__ import annotations

import ast
import os

from tests.settings import *  # noqa: F403

KCK_PUBLISH = ast.literal_eval(os.environ.get("KCK_TEST_PUBLISH", "{}"))
