"""What several modules here are run over: the store alone, a near store before it; a broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.fixtures import followed
from tests.kafka_broker import Broker


@pytest.fixture(params=["store", "near"])
def over(
    request: pytest.FixtureRequest, settings: Any, tmp_path: Path, transactional_db: None
) -> Iterator[str]:
    """Read the store, and then read a near store that holds all of it."""
    if request.param == "store":
        yield "store"
        return
    before = getattr(settings, "KCK_PUBLISH", {})
    settings.KCK_PUBLISH = {**before, "NEAR": str(tmp_path / "near"), "NEAR_LEASE": 1.0}
    with followed(str(tmp_path / "near")):
        yield "near"


@pytest.fixture
def broker(settings: Any) -> Iterator[Broker]:
    """A broker of the test's own, and the settings that name it."""
    running = Broker()
    before = getattr(settings, "KCK_PUBLISH", {})
    settings.KCK_PUBLISH = {**before, "KAFKA": running.settings}
    yield running
    running.kill()
