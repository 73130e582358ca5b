"""Where a trace may be kept: what a tracer is asked to enclose. Nothing here without one.

``contrib.opentelemetry`` sets the tracer. Batches, computes and lazy primes ask for a span; without
a tracer that costs a look at a variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class Tracer(Protocol):
    """What makes the spans."""

    def span(
        self, name: str, attributes: dict[str, Any], links: Iterable[str], start: float | None
    ) -> AbstractContextManager[object]:
        """A span.

        Args:
            name: of it.
            attributes: what it says.
            links: traceparents of those that it follows from.
            start: when it began, in seconds since the epoch; None is now.
        """


tracer: Tracer | None = None
_NOTHING = nullcontext()


def span(
    name: str, links: Iterable[str] = (), start: float | None = None, **attributes: Any
) -> AbstractContextManager[object]:
    """A span around a block, if anybody traces."""
    if tracer is None:
        return _NOTHING
    return tracer.span(f"kck_publish.{name}", attributes, links, start)
