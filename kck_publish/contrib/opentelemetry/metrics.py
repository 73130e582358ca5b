"""What the listener's signals tell, as OpenTelemetry metrics."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.metrics import Meter

from ..receivers import Receivers


class Metrics(Receivers):
    """Instruments that the receivers of the signals write to.

    Args:
        meter: of the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._keys = meter.create_counter(
            "kck_publish.refreshes", "{key}", "Keys refreshed, by product and result."
        )
        self._compute = meter.create_histogram(
            "kck_publish.compute.duration", "s", "Time of a compute or an augment."
        )
        self._lag = meter.create_histogram(
            "kck_publish.refresh.lag", "s", "From a change to the write of its key."
        )
        self._bytes = meter.create_histogram(
            "kck_publish.value.size", "By", "Size of a written value."
        )
        self._changes = meter.create_counter(
            "kck_publish.changes", "{change}", "Rows of the log that batches handled."
        )

    def measured(
        self, product: str, seconds: float | None, bytes: int | None, lag: float | None
    ) -> None:
        """Note what is known of it."""
        labels = {"kck_publish.product": product}
        if seconds is not None:
            self._compute.record(seconds, labels)
        if lag is not None:
            self._lag.record(lag, labels)
        if bytes is not None:
            self._bytes.record(bytes, labels)

    def refreshed(self, product: str, result: str, keys: int) -> None:
        """Count them."""
        self._keys.add(keys, {"kck_publish.product": product, "kck_publish.result": result})

    def ended(self, seconds: float, changes: int, keys: Mapping[str, int]) -> None:
        """Count its changes."""
        self._changes.add(changes)
