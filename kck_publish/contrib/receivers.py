"""Receivers of the signals of what listeners do: what Prometheus and OpenTelemetry count alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from django.dispatch import Signal

from .. import signals

RESULTS = ("primed", "augmented", "published", "removed", "failed")


class Receivers:
    """Counts refreshed keys and ended batches; a subclass says how."""

    def __init__(self) -> None:
        self._results: Counter[tuple[str, str]] = Counter()
        self._receivers: list[tuple[Signal, Callable[..., None]]] = [
            (getattr(signals, name), self._of(name)) for name in RESULTS
        ]
        self._receivers.append((signals.batch, self._of_batch))

    def connect(self) -> None:
        """Count from now on."""
        for signal, receiver in self._receivers:
            signal.connect(receiver)

    def disconnect(self) -> None:
        """Count no more."""
        for signal, receiver in self._receivers:
            signal.disconnect(receiver)

    def measured(
        self, product: str, seconds: float | None, bytes: int | None, lag: float | None
    ) -> None:
        """A key was refreshed; it is called for each, so it should be quick.

        Args:
            product: its name.
            seconds: of the compute or augment; None where there was none.
            bytes: of the written value; None where none was written.
            lag: seconds from the change to the write; None where no change led to it.
        """
        raise NotImplementedError

    def refreshed(self, product: str, result: str, keys: int) -> None:
        """Keys were refreshed in the batch that has ended.

        Args:
            product: its name.
            result: one of RESULTS.
            keys: how many.
        """
        raise NotImplementedError

    def ended(self, seconds: float, changes: int, keys: Mapping[str, int]) -> None:
        """A batch has ended.

        Args:
            seconds: that it took.
            changes: rows of the log that it handled.
            keys: how many keys had which result.
        """
        raise NotImplementedError

    def _of(self, result: str) -> Callable[..., None]:
        def receive(
            product: str, seconds: float | None, bytes: int | None, lag: float | None, **more: Any
        ) -> None:
            self._results[product, result] += 1
            self.measured(product, seconds, bytes, lag)

        return receive

    def _of_batch(self, seconds: float, changes: int, keys: Mapping[str, int], **more: Any) -> None:
        results, self._results = self._results, Counter()
        for (product, result), number in results.items():
            self.refreshed(product, result, number)
        self.ended(seconds, changes, keys)
