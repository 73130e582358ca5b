"""``instrument``: spans of batches, computes and lazy primes; the writer's trace in the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ... import tracing
from ...capture import local_settings
from ...public_names import public_in
from .metrics import Metrics

NAME = "kck_publish"
# As many writers as a batch is linked to; of more, the first.
LINKS = 128
_W3C = TraceContextTextMapPropagator()
_metrics: Metrics | None = None


class SpanTracer:
    """Makes the spans that ``tracing`` asks for.

    Args:
        provider: of the tracer; None is the process's.
    """

    def __init__(self, provider: TracerProvider | None) -> None:
        self._tracer = trace.get_tracer(NAME, tracer_provider=provider)

    @contextmanager
    def span(
        self, name: str, attributes: dict[str, Any], links: Iterable[str], start: float | None
    ) -> Iterator[trace.Span]:
        """A span; an error is told by its type alone, since messages hold values."""
        said = {f"{NAME}.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CONSUMER if name.endswith(".batch") else SpanKind.INTERNAL,
            attributes=said,
            links=[link for text in list(links)[:LINKS] for link in _links(text)],
            start_time=None if start is None else int(start * 1e9),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except (ObjectDoesNotExist, MultipleObjectsReturned):
                raise  # an answer, not an error
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


def _links(traceparent: str) -> Iterator[Link]:
    context = trace.get_current_span(_W3C.extract({"traceparent": traceparent})).get_span_context()
    if context.is_valid:
        yield Link(context)


def _traceparent() -> str:
    """The current span's, if it is recorded."""
    span = trace.get_current_span()
    if not span.is_recording():
        return ""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return carrier.get("traceparent", "")


@public_in("kck_publish.contrib.opentelemetry")
def instrument(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Trace the writes, refreshes and lazy primes of this process; a second call changes nothing.

    A write within a span that is recorded costs one more statement: it tells the log its trace.

    Args:
        tracer_provider: None is the process's.
        meter_provider: None is the process's.
    """
    global _metrics
    if tracing.tracer is not None:
        return
    tracing.tracer = SpanTracer(tracer_provider)
    local_settings.traced = _traceparent
    _metrics = Metrics(get_meter(NAME, meter_provider=meter_provider))
    _metrics.connect()


@public_in("kck_publish.contrib.opentelemetry")
def uninstrument() -> None:
    """Trace no more."""
    global _metrics
    tracing.tracer, local_settings.traced = None, None
    if _metrics is not None:
        _metrics.disconnect()
        _metrics = None
