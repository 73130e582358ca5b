"""Promises 2, 3 and 4 over stores outside the database: the histories of ``test_drain_machine``."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import Backend
from tests.properties.test_drain_machine import EXAMPLES, Drains, run_histories
from tests.properties.test_near_machine import run_near_histories
from tests.properties.test_near_machine import with_near as with_near

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def itself(external: Backend) -> Backend:
    """A store outside the database; the copy that is held to it has its own test below."""
    if external.near:
        pytest.skip("test_with_a_near_store_too has a follower of its own")
    return external


def test_drained_means_true(itself: Backend) -> None:
    """Whatever happens in whatever order, values lost on the way included."""
    run_histories(Drains, EXAMPLES // 3)


# Sockets that pymemcache drops may be collected in any of the follower's threads.
@pytest.mark.long
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning"
)
def test_with_a_near_store_too(itself: Backend, with_near: None) -> None:
    """The copy of what is outside the database is what is there."""
    run_near_histories(EXAMPLES // 3)
