"""Traces and metrics for OpenTelemetry (the extra "otel").

    kck_publish.contrib.opentelemetry.instrument()

In: the tracer and the meter of the process. Out: ``instrument``, to be called in each process once
its providers are set: the web processes' writes carry their trace, and the listener's batches link
to it.
"""

from __future__ import annotations

from .instrument import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
