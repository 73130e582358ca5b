"""Promises 2, 3 and 4 over stores outside the database: the histories of ``test_drain_machine``."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import Backend
from tests.properties.test_drain_machine import test_drained_means_true as drained_means_true

pytestmark = pytest.mark.django_db(transaction=True)


def test_drained_means_true(external: Backend) -> None:
    """Whatever happens in whatever order, values lost on the way included."""
    drained_means_true()
