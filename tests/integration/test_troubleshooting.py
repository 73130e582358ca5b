"""The table of docs/operating.md, line by line: what it quotes is what is really said."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from kck_publish import Retry, log_lines
from kck_publish.dashboard.overview import Overview
from kck_publish.doctor import examine
from kck_publish.health import health
from kck_publish.listener.listener import Listener
from kck_publish.testing import travel
from tests.catalog.fixtures import Gate, drain, interfering, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemTotal
from tests.integration.test_commands import run
from tests.integration.test_health import listening, web
from tests.integration.test_prometheus import fail, samples, scrape

pytestmark = pytest.mark.django_db(transaction=True)
DOCUMENT = Path(__file__).parents[2] / "docs" / "operating.md"


def line(symptom: str) -> list[list[str]]:
    """What each cell of a line quotes, after the symptom's."""
    (found,) = [
        row
        for row in DOCUMENT.read_text().splitlines()
        if row.startswith("| ") and f"**{symptom}**" in row
    ]
    cells = re.split(r"(?<!\\) \| ", found.strip("| "))
    return [re.findall(r"`([^`]+)`", cell) for cell in cells[1:]]


def dashboard() -> str:
    """What the first page of the dashboard says."""
    request = RequestFactory().get("/kck/")
    request.user = User(is_superuser=True)
    answer = Overview.as_view()(request)
    assert isinstance(answer, HttpResponse)
    text = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def told(caplog: pytest.LogCaptureFixture) -> tuple[str, str, str, str, str]:
    """The log, the metrics, the health, what status and doctor print, and the dashboard."""
    answer = health(web())
    problems = [str(problem) for finding in examine() for problem in finding.problems]
    return (
        "\n".join(caplog.messages),
        scrape(),
        answer.content.decode(),
        run("kck_status") + "\n".join(problems),
        dashboard(),
    )


def check(symptom: str, said: tuple[str, str, str, str, str], ready: str = "") -> None:
    log, metrics, web_health, status, page = said
    cells = line(symptom)
    actuals = (log, metrics, web_health, ready, status, page)
    for quoted, actual in zip(cells, actuals, strict=True):
        for text in quoted:
            assert text in actual, (symptom, text, actual)


@pytest.fixture
def items(transactional_db: None) -> list[Item]:
    rows = [Item.objects.create(name=f"n{group}", group=group, amount=1) for group in range(1, 9)]
    for row in rows:
        ItemTotal.cached.get(group=row.group)
    Fragile.cached.get(group=1)
    drain()
    return rows


def test_a_product_that_fails(
    items: list[Item],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    Fragile.cached.get(group=2)
    drain()
    sql("UPDATE catalog_item SET amount = 2")
    with interfering(fail):
        drain()
        run("kck_dead_letters", "list")
        sql("DELETE FROM kck_publish_failure WHERE key = 'fragile/2'")
        monkeypatch.setattr(log_lines, "FLOOD", 0.0)
        sql("UPDATE catalog_item SET amount = 3 WHERE name = 'n5'")
        drain()
        listener = Listener("default", say=lambda text: None)
        with listening(listener):
            wait_until(lambda: listener.heartbeat.is_ready)
            check("a product fails", told(caplog), "200")


def test_it_fails_for_good(
    items: list[Item],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    monkeypatch.setattr(Fragile, "retry", Retry(max_retries=0))
    sql("UPDATE catalog_item SET amount = 2")
    with interfering(fail):
        drain()
    listener = Listener("default", say=lambda text: None)
    with listening(listener):
        wait_until(lambda: listener.heartbeat.is_ready)
        check("for good", told(caplog), "200")


def test_no_listener(items: list[Item], caplog: pytest.LogCaptureFixture) -> None:
    sql("UPDATE catalog_item SET amount = 2")
    caplog.clear()
    check("no listener", told(caplog))


@pytest.mark.long
def test_a_full_backlog(
    items: list[Item], caplog: pytest.LogCaptureFixture, wait_until: Callable[..., Any]
) -> None:
    """It is looked at while a page of it is held."""
    caplog.set_level(logging.INFO, "kck_publish")
    sql("UPDATE catalog_item SET amount = 2")
    listener, gate = Listener("default", say=lambda text: None), Gate("item_total")
    with (
        override_settings(KCK_PUBLISH={"MAX_CHANGES": 5, "MAX_BATCH": 5}),
        interfering(gate),
        listening(listener),
    ):
        gate.wait()
        try:
            with travel(timedelta(seconds=60)):
                _, metrics, web_health, status, page = told(caplog)
        finally:
            gate.open()
        wait_until(lambda: "backlog of shard 0 is drained" in caplog.text)
    assert samples(metrics)["kck_publish_lag_seconds", ()] > 30
    assert json.loads(web_health)["status"] == "behind"
    check("backlog", ("\n".join(caplog.messages), metrics, web_health, status, page), "200")
