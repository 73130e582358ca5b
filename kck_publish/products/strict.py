"""Whether a read that is not declared is an error: as STRICT says, or else in a test run."""

from __future__ import annotations

import sys
from typing import Any

from ..conf import settings


def is_strict() -> bool:
    """Whether ``UndeclaredRead`` is raised, and not a warning."""
    return in_test_run() if settings.STRICT is None else settings.STRICT


def in_test_run() -> bool:
    """Whether Django's test runner or pytest runs in this process.

    Django's runner, and pytest-django, set the test environment up; pytest alone has loaded the
    library's plugin. What neither has imported is not imported here.
    """
    environment: Any = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    plugin = sys.modules.get("kck_publish.pytest_plugin")
    return hasattr(environment, "saved_data") or getattr(plugin, "running", False)
