"""What the listener announces of itself, and the lines that are made of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings

from kck_publish import log_lines, signals
from kck_publish.listener.listener import Listener
from tests.catalog.fixtures import drain, interfering, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemTotal
from tests.integration.test_health import listening

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def items(transactional_db: None) -> list[Item]:
    rows = [Item.objects.create(name=f"n{group}", group=group, amount=1) for group in range(30)]
    for row in rows:
        Fragile.cached.get(group=row.group)
        ItemTotal.cached.get(group=row.group)
    drain()
    return rows


@pytest.fixture
def batches() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []

    def receive(signal: Any, sender: Any, **told: Any) -> None:
        found.append(told)

    signals.batch.connect(receive)
    yield found
    signals.batch.disconnect(receive)


def fail(product: str, parameters: Any) -> None:
    if product == "fragile":
        raise RuntimeError("a-secret-value")


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == level and record.name.startswith("kck_publish")
    ]


def test_a_batch_says_what_it_was(items: list[Item], batches: list[dict[str, Any]]) -> None:
    sql("UPDATE catalog_item SET amount = 2")
    with interfering(fail):
        drain()
    (told,) = [one for one in batches if one["changes"]]
    assert (told["using"], told["shard"], told["changes"], told["reason"]) == (
        "default", 0, 30, "start"
    )  # fmt: skip
    assert (told["keys"]["augmented"], told["keys"]["failed"]) == (30, 30)
    assert 0 < told["seconds"] < 60
    assert 0 < told["lag"] < 60
    assert told["bytes"] > 30


def test_a_broken_product_is_one_line_a_minute(
    items: list[Item], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty keys fail: one is named, with its place, and the others are counted."""
    sql("UPDATE catalog_item SET amount = 2")
    with interfering(fail):
        drain()
    (warning,) = lines(caplog, logging.WARNING)
    assert warning.startswith("The refresh of fragile/")
    assert "a-secret-value" not in caplog.text
    record = next(one for one in caplog.records if one.levelno == logging.WARNING)
    told = vars(record)
    assert (told["product"], told["error_type"]) == ("fragile", "builtins.RuntimeError")
    assert told["fingerprint"] == ["kck_publish", "fragile", "RuntimeError"]
    assert len(told["key_digest"]) == 32
    json.dumps({name: told[name] for name in ("product", "key_digest", "seconds", "attempts")})
    monkeypatch.setattr(log_lines, "FLOOD", 0.0)
    sql("UPDATE catalog_item SET amount = 3 WHERE name = 'n1'")
    drain()
    assert any(line.startswith("29 more keys of fragile failed within") for line in caplog.messages)


def test_a_line_for_each_turn_of_a_listeners_life(
    items: list[Item],
    caplog: pytest.LogCaptureFixture,
    wait_until: Callable[..., Any],
) -> None:
    caplog.set_level(logging.INFO, "kck_publish")
    listener = Listener("default", say=lambda line: None)
    with override_settings(KCK_PUBLISH={"MAX_CHANGES": 10}):
        sql("UPDATE catalog_item SET amount = 2")
        with listening(listener):
            wait_until(lambda: listener.heartbeat.is_ready)
            wait_until(lambda: "backlog of shard 0 is drained" in caplog.text)
            sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            wait_until(lambda: "Connected again" in caplog.text)
    name = r"Listener \S+"
    wanted = [
        f"{name} starts, on database default.",
        "Shard 0 is taken: nobody's.",
        f"{name} is ready, with shards \\[0\\].",
        "The backlog of shard 0 is drained: ",
        "The database is lost ",
        "Connected again after ",
        "Shard 0 is left: it ends.",
    ]
    told = caplog.messages
    import re

    for pattern in wanted:
        found = [line for line in told if re.match(pattern, line)]
        assert found, (pattern, told)
        if "Shard" not in pattern:
            assert len(found) == 1, found
