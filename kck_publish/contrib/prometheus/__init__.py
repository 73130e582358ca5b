"""Metrics for Prometheus (the extra "prometheus").

    path("metrics", kck_publish.contrib.prometheus.metrics)

In: what the database, the listener's signals and the reads of this process tell. Out: ``metrics``,
a view; ``DatabaseCollector``, for a registry of your own; ``count_reads``. The alerts for
Prometheus and the dashboard for Grafana are beside this file.
"""

from __future__ import annotations

from .collector import DatabaseCollector
from .reads import count_reads
from .view import metrics

__all__ = ["DatabaseCollector", "count_reads", "metrics"]
