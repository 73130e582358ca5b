"""A trace goes from the write through the log to the refresh, in an in-memory exporter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from kck_publish.contrib.opentelemetry import instrument, uninstrument
from tests.catalog.fixtures import drain, interfering, listening, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemNames, ItemTotal
from tests.trace_picture import draw

pytestmark = pytest.mark.django_db(transaction=True)


class Traced:
    """What is traced and measured within a test."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.tracer: Tracer = self.provider.get_tracer("web")

    def spans(self, name: str) -> list[ReadableSpan]:
        return [one for one in self.exporter.get_finished_spans() if one.name == name]


@pytest.fixture
def traced(transactional_db: None) -> Iterator[Traced]:
    found = Traced()
    instrument(found.provider, found.meters)
    yield found
    uninstrument()
    found.meters.shutdown()
    found.provider.shutdown()


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    for product in (ItemTotal, ItemNames, Fragile):
        product.cached.get(group=1)
    drain()
    return row


def said(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {})[f"kck_publish.{name}"]


def test_a_batch_is_linked_to_its_writers(item: Item, traced: Traced) -> None:
    """Each writer once; computes are within the batch; a write without a span has no link."""
    contexts = []
    for amount in (6, 7):
        with traced.tracer.start_as_current_span("POST /items") as span, transaction.atomic():
            Item.objects.update(amount=amount)
            Item.objects.update(name=f"n{amount}")
            contexts.append(span.get_span_context())
    Item.objects.update(amount=8)
    drain()
    (batch,) = traced.spans("kck_publish.batch")
    linked = [(link.context.trace_id, link.context.span_id) for link in batch.links]
    assert linked == [(one.trace_id, one.span_id) for one in contexts]
    assert (said(batch, "changes"), said(batch, "shard")) == (5, 0)
    computes = traced.spans("kck_publish.compute")
    names = [one for one in computes if said(one, "product") == "item_names"]
    (compute,) = names
    assert compute.parent is not None
    assert compute.parent.span_id == batch.context.span_id
    assert len(said(compute, "key_digest")) == 32


def test_a_write_is_followed_to_the_read(
    item: Item, traced: Traced, wait_until: Callable[..., Any]
) -> None:
    """From a request that writes, through the log, to the refresh, and the request that reads.

    With KCK_SCREENSHOTS the spans are drawn there: docs/screenshots/trace.svg.
    """
    with listening():
        traced.exporter.clear()
        with traced.tracer.start_as_current_span("POST /items"), transaction.atomic():
            sql("UPDATE catalog_item SET amount = 6, name = 'new'")
        wait_until(lambda: traced.spans("kck_publish.batch"))
        with traced.tracer.start_as_current_span("GET /totals"):
            assert ItemTotal.cached.get(group=1)["amount"] == 6
        with traced.tracer.start_as_current_span("GET /totals of another group"):
            ItemTotal.cached.get(group=2)
    (write,), (batch,) = traced.spans("POST /items"), traced.spans("kck_publish.batch")
    assert [link.context.span_id for link in batch.links] == [write.context.span_id]
    read, other = traced.spans("GET /totals")[0], traced.spans("GET /totals of another group")[0]
    within = {one.parent.span_id for one in traced.exporter.get_finished_spans() if one.parent}
    assert read.context.span_id not in within  # it found the value that was pushed
    assert other.context.span_id in within
    if folder := os.environ.get("KCK_SCREENSHOTS"):
        draw(traced.exporter.get_finished_spans(), Path(folder) / "trace.svg")


def test_a_lazy_prime_is_in_its_readers_trace(item: Item, traced: Traced) -> None:
    with traced.tracer.start_as_current_span("GET /items") as span:
        ItemNames.cached.get(group=2)
    (prime,) = traced.spans("kck_publish.prime")
    (compute,) = traced.spans("kck_publish.compute")
    assert prime.parent is not None
    assert compute.parent is not None
    assert prime.parent.span_id == span.get_span_context().span_id
    assert compute.parent.span_id == prime.context.span_id


def test_an_error_is_told_without_its_message(item: Item, traced: Traced) -> None:
    def fail(product: str, parameters: Any) -> None:
        if product == "fragile":
            raise RuntimeError("a-secret-value")

    Item.objects.update(amount=6)
    with interfering(fail):
        drain()
    bad = [one for one in traced.spans("kck_publish.compute") if not one.status.is_ok]
    assert {said(one, "product") for one in bad} == {"fragile"}
    assert all(one.status.status_code is StatusCode.ERROR for one in bad)
    assert not any("a-secret-value" in one.to_json() for one in bad)


def test_what_it_costs(item: Item, traced: Traced) -> None:
    """One more statement a write within a span; none without one, nor when nobody traces."""

    def statements(amount: int) -> int:
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            Item.objects.update(amount=amount)
        return len(queries)

    plain = statements(6)
    with traced.tracer.start_as_current_span("POST"):
        assert statements(7) == plain  # the setting is sent past Django's log of queries
    assert sql("SELECT count(*) FROM kck_publish_change WHERE trace IS NOT NULL")[0][0] > 0
    before = sql("SELECT max(seq) FROM kck_publish_change")[0][0]
    Item.objects.update(amount=8)
    assert sql("SELECT trace FROM kck_publish_change WHERE seq > %s", before) == [(None,)]


def test_metrics(item: Item, traced: Traced) -> None:
    Item.objects.update(amount=6)
    drain()
    data = traced.reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {
        "kck_publish.refreshes", "kck_publish.compute.duration", "kck_publish.refresh.lag",
        "kck_publish.changes",
    } <= found.keys()  # fmt: skip
    assert found["kck_publish.compute.duration"].unit == "s"
