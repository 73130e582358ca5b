"""What a request has written, as the log has it, and which products that will touch.

A trace of the request's own goes into the log with its changes (see ``capture.local_settings``), or
that of OpenTelemetry's, where that traces the request.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connections

from ... import clock
from ...capture import local_settings
from ...conf import settings
from ...log.decoder import Decoder
from ...log.reader import COLUMNS, Row
from ...ops.compare import one_snapshot
from ...products import registry
from ...refresh.dependents import Dependents
from ...refresh.user_calls import Recovering

# Of so many rows of the log's end it is asked which are the request's.
RECENT = 5_000
_WRITTEN = f"""
SELECT {COLUMNS} FROM (
    SELECT * FROM kck_publish_change ORDER BY xid DESC, seq DESC LIMIT {RECENT}) recent
 WHERE starts_with(trace, %s) ORDER BY seq
"""
# What a traceparent begins with: its version and the trace's id.
_PREFIX = len("00-") + 32
# So many keys of a product are named.
NAMED = 20


@dataclass(frozen=True)
class Written:
    """The changes of a request, and what they touch.

    Attributes:
        changes: by table and operation: ``source``, ``op``, ``rows`` and ``columns``.
        touched: by product: ``product``, how many ``keys`` (None: all that are stored), and some
            ``names`` of them.
    """

    changes: list[dict[str, Any]]
    touched: list[dict[str, Any]]


def new_trace() -> str:
    """A traceparent for a request: one that says that nobody keeps spans of it."""
    return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"


def trace_here(trace: str) -> str:
    """How the traces of this context begin, as its changes will have them."""
    found = local_settings.traced() if local_settings.traced is not None else ""
    return (found or trace)[:_PREFIX]


def written(prefix: str) -> Written:
    """What was written under a trace, as far as it is committed and not yet trimmed."""
    alias = settings.DATABASE
    with connections[alias].cursor() as cursor:
        clock.aware(cursor).execute(_WRITTEN, [prefix])
        rows = [Row._make(row) for row in cursor.fetchall()]
    return Written(_changes(rows), _touched(rows) if rows else [])


def _changes(rows: list[Row]) -> list[dict[str, Any]]:
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        change = counted.setdefault(
            (row.source, row.op), {"source": row.source, "op": row.op, "rows": 0, "columns": set()}
        )
        change["rows"] += 1
        change["columns"].update(_changed(row))
    return [{**change, "columns": sorted(change["columns"])} for change in counted.values()]


def _changed(row: Row) -> list[str]:
    """The captured columns that an update has changed."""
    if row.op != "update" or row.columns is None or row.old is None or row.new is None:
        return []
    pairs = zip(row.columns, row.old, row.new, strict=True)
    return [column for column, old, new in pairs if old != new]


def _touched(rows: list[Row]) -> list[dict[str, Any]]:
    """The products that depend on these rows, as the listener will find them; and theirs."""
    graph, connection = registry.graph(), connections[settings.DATABASE]
    with one_snapshot(connection) as (batch, _):
        dependents = Dependents(
            graph,
            Decoder(connection, graph.sources),
            lambda key: True,
            settings.DATABASE,
            Recovering(batch.recover),
        )
        work = dependents.collect(rows)
    keys: dict[str, int | None] = {name: len(tasks) for name, tasks in work.tasks.items()}
    keys |= dict.fromkeys(work.whole)
    touched = [
        {"product": name, "keys": number, "names": list(work.tasks.get(name, ()))[:NAMED]}
        for name, number in sorted(keys.items())
    ]
    after = _downstream(set(keys))
    return touched + [{"product": name, "keys": None, "names": []} for name in after]


def _downstream(names: set[str]) -> list[str]:
    """The products that depend on these, one by another."""
    graph, todo, found = registry.graph(), list(names), set[str]()
    while todo:
        for product, _ in graph.by_product.get(todo.pop(), ()):
            if product.name not in names | found:
                found.add(product.name)
                todo.append(product.name)
    return sorted(found)
