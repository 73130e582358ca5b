"""The histories of ``test_drain_machine`` with a near store: drained, the copy is what is stored.

Also over stores outside the database, whose values may be lost: see ``tests/contracts``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis.stateful import invariant

from kck_publish.conf import settings as ours
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.log.snapshot import take
from kck_publish.products import registry
from kck_publish.products.compute import compute
from kck_publish.stores.near import reader as near_reader
from tests.catalog.fixtures import stored, told
from tests.properties.test_drain_machine import EXAMPLES, Drains, keys, run_histories

pytestmark = pytest.mark.django_db(transaction=True)


class NearDrains(Drains):
    """One history, with a follower."""

    @invariant()
    def the_copy_is_true(self) -> None:
        if not self.drained:
            return
        reader = near_reader.reader(str(ours.NEAR))
        with connection.cursor() as cursor:
            now = take(cursor)
            while reader._done() is None or not reader.includes(now):
                time.sleep(0.002)
            cursor.execute("SELECT key FROM kck_publish_entry")
            there = {key for (key,) in cursor.fetchall()}
        for key in there | ALL:
            product = registry.find(key)
            if product is not None:
                held = reader.get(key, product.fingerprint)
                entry = stored(key)
                if held is not None and held.body is not None:
                    if entry is None:  # lost by the cache: the copy is true all the same
                        assert key in there, key
                        (fresh,) = compute(product, [product.parameters_of(key)])
                        expected = product.encode(fresh.value).body
                    else:
                        expected = entry.body or b""
                    assert held.body == expected, key
                if entry is not None:
                    reader.ask(key, product.fingerprint)


@pytest.fixture
def with_near(tmp_path: Path, settings: Any) -> None:
    before = getattr(settings, "KCK_PUBLISH", {})
    settings.KCK_PUBLISH = {**before, "NEAR": str(tmp_path / "near"), "NEAR_LEASE": 0.1}


ALL = frozenset(keys.elements)  # type: ignore[attr-defined]


def run_near_histories(examples: int = EXAMPLES) -> None:
    """So many histories, while the store is followed."""
    follower = NearFollower("default")
    with following(follower):
        assert follower.following.wait(20)
        told.append(follower.keep)  # as in the listener's process: it copies ahead of the follower
        try:
            run_histories(NearDrains, examples)
        finally:
            told.remove(follower.keep)
    near_reader.reader(str(ours.NEAR)).close()


def test_drained_the_copy_is_what_is_stored(with_near: None) -> None:
    run_near_histories()
