"""An unlogged table as a source: a crash empties it, which no trigger sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish.testing import assert_fresh
from tests.catalog.aggregates import SampleTotal
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Sample

pytestmark = pytest.mark.long


def test_a_crash_announces_an_unlogged_table(
    restartable: EmbeddedPostgres, moved_to: Callable[..., None]
) -> None:
    moved_to(restartable)
    sql("ALTER TABLE catalog_sample SET UNLOGGED")
    try:
        Sample.objects.create(group=1, whole=5)
        drain()
        assert SampleTotal.cached.get() == "5 of 1"
        for mode in ("fast", "immediate"):
            connection.close()
            restartable.restart(mode)
            assert Sample.objects.exists() == (mode == "fast")
            drain()
            assert_fresh("sample_total")
        with pytest.raises(ObjectDoesNotExist):
            SampleTotal.cached.get()
    finally:
        sql("ALTER TABLE catalog_sample SET LOGGED")
        drain()
