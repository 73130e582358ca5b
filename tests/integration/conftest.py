"""What several modules here are run over: the store alone, and a near store before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.fixtures import followed


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
