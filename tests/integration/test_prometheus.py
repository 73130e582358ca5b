"""Metrics for Prometheus: of the database, a listener, the reads; alerts and dashboard."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.signals import request_finished
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path
from prometheus_client.parser import text_string_to_metric_families as parse

from kck_publish import Cache
from kck_publish.contrib import prometheus
from kck_publish.contrib.prometheus import count_reads, metrics, reads
from kck_publish.contrib.prometheus.listener import ListenerMetrics
from kck_publish.listener.endpoint import serving
from kck_publish.refresh import paused_products
from kck_publish.testing import travel
from tests.catalog.fixtures import drain, interfering, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemNames, ItemTotal
from tests.optional import needs
from tests.without_database import no_database

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
urlpatterns = [path("metrics", metrics)]
HERE = Path(str(prometheus.__file__)).parent
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def scrape() -> str:
    answer = metrics(RequestFactory().get("/metrics"))
    assert answer.status_code == 200
    return answer.content.decode()


def of(found: Samples, name: str, **labels: str) -> float:
    return found[f"kck_publish_{name}", tuple(sorted(labels.items()))]


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    for product in (ItemTotal, ItemNames, Fragile):
        product.cached.get(group=1)
    drain()
    return row


@pytest.fixture
def listener() -> Iterator[ListenerMetrics]:
    kept = ListenerMetrics("default")
    kept.connect()
    yield kept
    kept.disconnect()


def fail(product: str, parameters: Any) -> None:
    if product == "fragile":
        raise RuntimeError


def test_the_state_of_the_database(item: Item) -> None:
    """The same in whichever process is asked, since none of it is in the process."""
    found = samples(scrape())
    assert of(found, "up") == 1
    assert of(found, "lag_seconds") == 0
    assert of(found, "listeners", state="awake") == 0
    paused_products.pause(["item_total"])
    item.amount = 6
    item.save()
    with interfering(fail):
        drain()
        with travel(timedelta(hours=1)):
            drain()
    item.amount = 7
    item.save()
    with travel(timedelta(seconds=90)):
        found = samples(scrape())
    assert of(found, "lag_seconds") >= 90
    assert of(found, "shard_lag_seconds", shard="0") >= 90
    assert of(found, "shard_owned", shard="0") == 0
    assert of(found, "retrying_keys", product="fragile") == 1
    assert of(found, "paused", product="item_total") == 1
    assert of(found, "postponed_keys", product="item_total") == 1
    with CaptureQueriesContext(connection) as queries:
        scrape()
    assert len(queries) <= 12


def test_without_a_database(transactional_db: None) -> None:
    sql("ALTER TABLE kck_publish_shard RENAME TO elsewhere")
    try:
        assert samples(scrape())["kck_publish_up", ()] == 0
    finally:
        sql("ALTER TABLE elsewhere RENAME TO kck_publish_shard")


def test_a_dead_listener_whose_number_another_session_has(transactional_db: None) -> None:
    sql(
        "INSERT INTO kck_publish_listener (name, backend, started_at)"
        " VALUES ('dead', pg_backend_pid(), now() - interval '1 day')"
    )
    assert of(samples(scrape()), "listeners", state="awake") == 0


def test_the_view_without_a_database(transactional_db: None, settings: Any) -> None:
    """It says so, though each request is a transaction."""
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    with no_database():
        answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert samples(answer.content.decode())["kck_publish_up", ()] == 0


def test_what_a_listener_does(item: Item, listener: ListenerMetrics) -> None:
    item.amount, item.name = 6, "longer"
    item.save()
    with interfering(fail):
        drain()
    text = listener.reply("default").body.decode()
    found = samples(text)
    assert of(found, "refreshes_total", product="item_total", result="augmented") == 1
    assert of(found, "refreshes_total", product="item_names", result="primed") == 1
    assert of(found, "refreshes_total", product="fragile", result="failed") == 1
    assert of(found, "compute_seconds_count", product="item_names") == 1
    assert of(found, "refresh_lag_seconds_count", product="item_total") == 1
    assert of(found, "value_bytes_sum", product="item_names") > 10
    assert of(found, "changes_total") == 1
    assert of(found, "batch_seconds_count") == 1
    assert of(found, "up") == 1


def test_it_is_served_over_http(item: Item, listener: ListenerMetrics) -> None:
    routes = {"/metrics": lambda: listener.reply("default")}
    with (
        serving("127.0.0.1:0", routes, lambda line: None) as (_, port),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert b"kck_publish_lag_seconds 0.0" in answer.read()


def test_names_help_and_units(item: Item, listener: ListenerMetrics) -> None:
    """By the rules of Prometheus: base units as suffixes, counters end in _total, all have HELP."""
    drain()
    for family in parse(listener.reply("default").body.decode()):
        if not family.name.startswith("kck_publish"):
            continue
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert len(family.documentation) > 10, family.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb)$", family.name)
        if family.type == "counter":
            assert all(one.name.endswith(("_total", "_created")) for one in family.samples), (
                family.name
            )


def test_reads_are_counted_by_tier_when_asked(item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    before = samples(scrape())
    assert not any(name.startswith("kck_publish_reads_total") for name, _ in before)
    count_reads()
    try:
        cache.get("item_total/1")
        cache.get("item_total/1")
        cache.get("item_total/2")
        monkeypatch.setattr(reads, "_due", 0.0)
        request_finished.send(sender=None)
        assert reads.REGISTRY.get_sample_value("kck_publish_reads_total", {"tier": "store"}) == 2
        cache.get("item_total/1")
        request_finished.send(sender=None)  # within a second: nothing is handed on
        assert reads.REGISTRY.get_sample_value("kck_publish_reads_total", {"tier": "store"}) == 2
        found = samples(scrape())
        assert of(found, "reads_total", tier="store") == 3
        assert of(found, "reads_total", tier="primed") == 1
    finally:
        monkeypatch.setattr(reads, "_counting", False)
        request_finished.disconnect(dispatch_uid="kck_publish.prometheus")


def used(expression: str) -> set[str]:
    return set(re.findall(r"kck_publish_\w+", expression))


def exported(listener: ListenerMetrics) -> set[str]:
    text = listener.reply("default").body.decode() + scrape()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    suffixes = ("", "_total", "_bucket", "_sum", "_count")
    reads = {"kck_publish_reads_total", "kck_publish_single_flight_waits_total"}
    return {name + suffix for name in names for suffix in suffixes} | reads


def test_the_alerts_name_what_there_is(item: Item, listener: ListenerMetrics) -> None:
    rules = yaml.safe_load((HERE / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 8
    known = exported(listener)
    for rule in rules:
        assert used(rule["expr"]), rule
        assert used(rule["expr"]) <= known, rule
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_the_dashboard_names_what_there_is(item: Item, listener: ListenerMetrics) -> None:
    board = json.loads((HERE / "dashboard.json").read_text())
    known = exported(listener)
    targets = [target for panel in board["panels"] for target in panel["targets"]]
    assert len(targets) >= 10
    for target in targets:
        assert used(target["expr"]), target
        assert used(target["expr"]) <= known, target


ALERTING: dict[str, tuple[dict[str, str], list[str]]] = {
    "a listener follows": (
        {'kck_publish_listeners{state="awake"}': "1", "kck_publish_up": "1"},
        [],
    ),
    "it was killed, and web processes are asked": (
        {'kck_publish_listeners{state="awake"}': "0", "kck_publish_up": "1"},
        ["KckPublishNoListener"],
    ),
    "it was killed, and it alone was asked": ({"up": "0"}, ["KckPublishNoListener"]),
    "the database is away": ({"kck_publish_up": "0"}, ["KckPublishDown"]),
}


def test_a_killed_listener_is_alerted_of_though_it_alone_was_asked() -> None:
    """Its metrics are gone with it: a sum of nothing is nothing, and no alert."""
    rules = yaml.safe_load((HERE / "alerts.yml").read_text())["groups"][0]["rules"]
    (rule,) = [rule for rule in rules if rule["alert"] == "KckPublishNoListener"]
    assert rule["expr"].endswith(" or absent(kck_publish_up)")


def test_promtool_takes_the_alerts(tmp_path: Path) -> None:
    """And each is given in the state that it is for."""
    promtool = needs("promtool", "prometheus")
    alerts = ["KckPublishNoListener", "KckPublishDown"]
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [
                {"series": series, "values": f"{value}x10"} for series, value in state.items()
            ],
            "promql_expr_test": [
                {
                    "expr": f'count by (alertname) (ALERTS{{alertname="{alert}"}})',
                    "eval_time": "5m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
                    if alert in given
                    else [],
                }
                for alert in alerts
            ],
        }
        for name, (state, given) in ALERTING.items()
    ]
    written = tmp_path / "tests.yml"
    written.write_text(json.dumps({"rule_files": [str(HERE / "alerts.yml")], "tests": tests}))
    for command in (["check", "rules", str(HERE / "alerts.yml")], ["test", "rules", str(written)]):
        checked = subprocess.run([promtool, *command], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_kafkas_consumers_and_relay_are_there(transactional_db: None) -> None:
    sql(
        """
        INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next, seen, message_at)
        VALUES ('shop', 'prices', 2, 5, 8, clock_timestamp() - interval '1 minute')
        """
    )
    sql(
        """
        INSERT INTO kck_publish_kafka_failure (consumer, topic, partition, place, digest, headers,
            state, error, message, traceback)
        VALUES ('shop', 'prices', 2, 1, gen_random_uuid(), '', 'dead', '', '', '')
        """
    )
    sql(
        """
        INSERT INTO kck_publish_kafka_relay (topic, sent, failed, error)
        VALUES ('flights', 7, 2, '_TRANSPORT')
        """
    )
    found = samples(scrape())
    where = {"group": "shop", "topic": "prices", "partition": "2"}
    assert of(found, "kafka_lag_messages", **where) == 3
    assert 60 <= of(found, "kafka_lag_seconds", **where) < 120
    assert of(found, "kafka_failures", group="shop", topic="prices", state="dead") == 1
    assert of(found, "kafka_sent", topic="flights") == 7
    assert of(found, "kafka_send_failures", topic="flights") == 2
    assert of(found, "kafka_unwritable", topic="flights") == 1
    assert of(found, "kafka_unsent", topic="flights") == 0
