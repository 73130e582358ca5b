"""The pytest plugin: the fixture ``kck_drain``, and that this is a test run (``products.strict``).

Loaded by pytest before Django is set up, so nothing of the library is imported here until the
fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

running = False


def pytest_configure() -> None:
    """Make what is read without being declared an error."""
    global running
    running = True


def pytest_unconfigure() -> None:
    global running
    running = False


@pytest.fixture
def kck_drain(db: None) -> Callable[[], Any]:
    """``kck_drain()``: refresh everything that the test has changed; see ``testing.drain``.

    It brings the ``db`` fixture with it. Inside such a test it handles what the test's own
    transaction has written; with ``django_db(transaction=True)``, what is committed.
    """
    from .testing import drain

    return drain
