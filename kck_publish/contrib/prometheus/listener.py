"""What a listener does, as metrics: receivers of its signals, and ``kck_listen --metrics``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import connections
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from ...listener.endpoint import Reply
from ..receivers import Receivers
from .collector import DatabaseCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
BYTES = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)


class ListenerMetrics(Receivers):
    """The metrics of one listener's process.

    Attributes:
        registry: that holds them, with the state of the database.
    """

    def __init__(self, alias: str) -> None:
        super().__init__()
        # Finding a histogram's child costs as much as what it notes.
        self._of_product: dict[str, tuple[Histogram, ...]] = {}
        self.registry = registry = CollectorRegistry(auto_describe=False)
        registry.register(DatabaseCollector(alias))
        ProcessCollector(registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(
                f"kck_publish_{name}", text, labels, registry=registry, buckets=buckets
            )

        self._keys = Counter(
            "kck_publish_refreshes",
            "Keys refreshed, by product and result.",
            ["product", "result"],
            registry=registry,
        )
        self._unchanged = Counter(
            "kck_publish_unchanged",
            "Keys whose refresh gave what was stored: nothing was written.",
            registry=registry,
        )
        self._changes = Counter(
            "kck_publish_changes", "Rows of the log that batches handled.", registry=registry
        )
        self._compute = histogram(
            "compute_seconds", "Time of a compute or an augment.", SECONDS, "product"
        )
        self._lag = histogram(
            "refresh_lag_seconds", "From a change to the write of its key.", LAGS, "product"
        )
        self._bytes = histogram("value_bytes", "Size of a written value.", BYTES, "product")
        self._batch = histogram("batch_seconds", "Time of a batch.", SECONDS)

    def measured(
        self, product: str, seconds: float | None, bytes: int | None, lag: float | None
    ) -> None:
        """Note what is known of it."""
        if (of_product := self._of_product.get(product)) is None:
            histograms = self._compute, self._lag, self._bytes
            of_product = tuple(each.labels(product) for each in histograms)
            self._of_product[product] = of_product
        compute, late, size = of_product
        if seconds is not None:
            compute.observe(seconds)
        if lag is not None:
            late.observe(lag)
        if bytes is not None:
            size.observe(bytes)

    def refreshed(self, product: str, result: str, keys: int) -> None:
        """Count them."""
        self._keys.labels(product, result).inc(keys)

    def ended(self, seconds: float, changes: int, keys: Mapping[str, int]) -> None:
        """Count its changes, and the keys for which nothing was written."""
        self._batch.observe(seconds)
        self._changes.inc(changes)
        self._unchanged.inc(keys["unchanged"])

    def reply(self, alias: str) -> Reply:
        """The answer to a scrape, in a thread whose connection is closed afterwards."""
        try:
            return Reply(200, CONTENT_TYPE_LATEST, generate_latest(self.registry))
        finally:
            connections[alias].close()


def metrics_routes(alias: str) -> Mapping[str, Callable[[], Reply]]:
    """``/metrics`` of this listener."""
    metrics = ListenerMetrics(alias)
    metrics.connect()
    return {"/metrics": lambda: metrics.reply(alias)}
