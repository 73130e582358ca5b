"""Why a value is what it is: all that is known of one key. ``kck_explain``.

Only looks: nothing is primed, and no value is shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connections

from .. import clock, stores
from ..conf import settings
from ..exceptions import UnknownProduct
from ..log.keys import product_of
from ..log.reader import UNSEEN
from ..log.snapshot import NOTHING
from ..postgres import Cursor
from ..products import registry
from ..products.graph import Graph
from ..products.product import Product
from ..refresh import schedule
from ..rows.products import RowProduct
from ..rows.table_products import TableProduct
from .graph import by_what

# All that is known of the key itself, in one row: the entry, where it is refreshed, its failure.
_KEY = """
SELECT e.fingerprint, e.stamp, e.by, e.version, e.primed_at, e.soft_expire, e.hard_expire, e.behind,
       e.reason, e.seconds, e.bytes,
       s.shard, s.done::text,
       (SELECT l.name FROM kck_publish_listener l WHERE s.shard = ANY (l.shards)
         ORDER BY l.seen_at DESC LIMIT 1),
       f.attempts, f.first_at, f.due_at, f.error, f.message, f.traceback,
       p.product, p.every, p.due_at, p.last_at,
       (SELECT array_agg(DISTINCT read_key) FROM kck_publish_edge WHERE digest = %(digest)s)
  FROM (VALUES (1)) always
  LEFT JOIN LATERAL (
    SELECT fingerprint, stamp::text AS stamp, by, version, primed_at, soft_expire, hard_expire,
           behind, reason, seconds, octet_length(body) AS bytes
      FROM kck_publish_entry
     WHERE digest = %(digest)s
       AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s)
     ORDER BY primed_at DESC LIMIT 1) e ON true
  LEFT JOIN kck_publish_shard s ON s.shard = %(bucket)s %% s.shards
  LEFT JOIN kck_publish_failure f ON f.digest = %(digest)s AND f.fingerprint = %(fingerprint)s
  LEFT JOIN kck_publish_schedule p ON p.product = %(scheduled)s
"""
_PENDING = f"""
SELECT count(*) FILTER (WHERE source = ANY (%(sources)s) AND op <> 'refresh'),
       count(*) FILTER (WHERE op = 'refresh' AND source = %(product)s AND new = ARRAY[%(key)s])
  FROM kck_publish_change WHERE {UNSEEN}
"""
_STORED = "SELECT product, count(*) FROM kck_publish_entry WHERE product = ANY (%s) GROUP BY 1"


@dataclass(frozen=True)
class Explanation:
    """The fields that ``kck_explain --json`` prints.

    Attributes:
        product: the key's product; ``computed_by`` is what computes it, None when it was set by
            hand and nobody does.
        inputs: ``sources`` (tables) and ``products`` it depends on, each with what of it; and
            the keys that the stored value was computed from besides (``recorded``).
        stored: what is known of the stored entry; None when nothing is stored.
        last_refresh: ``why``, the ``change`` (the last that touched it; None where that is not
            known), ``seconds``, ``at`` and ``by`` of the last write; None likewise.
        pending: unhandled ``changes`` of the inputs, and ``requests`` for this key.
        failure: ``attempts``, ``since``, ``due`` (None for a dead letter), ``dead_letter`` and
            the error's type (``error``), ``message`` and ``traceback``; None when the last
            refresh did not fail.
        dependents: products that depend on it, with the number of their stored keys.
        schedule: ``every``, ``due_at`` and ``last_at`` of its product, if that is refreshed by
            the clock and a listener has seen it; else None.
        shard: which one refreshes it, and its ``listener``; None before any listener has run.
    """

    key: str
    product: str
    computed_by: str | None
    parameters: dict[str, Any]
    inputs: dict[str, list[dict[str, str]]]
    stored: dict[str, Any] | None
    last_refresh: dict[str, Any] | None
    pending: dict[str, int]
    failure: dict[str, Any] | None
    dependents: list[dict[str, Any]]
    schedule: dict[str, Any] | None
    shard: dict[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; times and parameters are still themselves."""
        return asdict(self)


def explain(key: str) -> Explanation:
    """Everything that is known of a key.

    Raises:
        UnknownProduct: nobody computes it and nothing is stored there.
        KeyParameterMismatch: the key is not written as its product's keys are.
        StoreMissing: when the library is not migrated.
    """
    graph, product = registry.graph(), registry.find(key)
    parameters = product.parameters_of(key) if product else {}
    address = stores.Address(key, product.fingerprint if product else "")
    with (
        stores.named_errors(settings.DATABASE),
        clock.aware(connections[settings.DATABASE].cursor()) as cursor,
    ):
        cursor.execute(
            _KEY,
            {
                "digest": address.digest,
                "bucket": address.bucket,
                "fingerprint": product.fingerprint if product else None,
                "scheduled": product.name if product and product.refresh_every else None,
            },
        )
        row = cursor.fetchone()
        stored, last = _entry(row[:11])
        if product is None and stored is None:
            raise UnknownProduct(key, difflib.get_close_matches(key, graph.products))
        shard, done, listener = row[11:14]
        recorded = [{"name": name, "by": "recorded"} for name in sorted(row[24] or ())]
        return Explanation(
            key,
            product_of(key),
            None if product is None else computed_by(product),
            parameters,
            _inputs(product) | {"recorded": recorded},
            stored,
            last,
            _pending(cursor, graph, key, done or NOTHING),
            _failure(row[14:20]),
            _dependents(cursor, graph, product_of(key)),
            None if row[20] is None else dict(zip(schedule.PLAN, row[20:24], strict=True)),
            None if shard is None else {"shard": shard, "cursor": done, "listener": listener},
        )


def computed_by(product: Product) -> str:
    """The class that computes a product, or the model whose rows it holds."""
    if isinstance(product, RowProduct | TableProduct):
        return f"the rows of {product.model._meta.label}"
    sender = product.sender
    return f"{sender.__module__}.{sender.__qualname__}"


def _inputs(product: Product | None) -> dict[str, list[dict[str, str]]]:
    inputs: dict[str, list[dict[str, str]]] = {"sources": [], "products": []}
    for dependency in product.depends_on if product else ():
        what = by_what(dependency)
        if dependency.product is not None:
            inputs["products"].append({"name": dependency.product, "by": what})
        for model in dependency.models:
            inputs["sources"].append({"name": model._meta.db_table, "by": what})
    return inputs


def _entry(row: Sequence[Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    fingerprint, stamp, by, version, at, soft, hard, behind, reason, seconds, size = row
    if fingerprint is None:
        return None, None
    stored = {
        "version": version,
        "stamp": stamp,
        "behind": behind,
        "bytes": size,
        "fingerprint": fingerprint,
        "soft_expire": soft,
        "hard_expire": hard,
    }
    why, _, change = reason.partition(": ")
    return stored, {"why": why, "change": change or None, "seconds": seconds, "at": at, "by": by}


def _pending(cursor: Cursor, graph: Graph, key: str, done: str) -> dict[str, int]:
    name = product_of(key)
    sources = [*graph.tables(name), *graph.upstream(name)]
    cursor.execute(_PENDING, {"sources": sources, "product": name, "key": key, "since": done})
    changes, requests = cursor.fetchone()
    return {"changes": changes, "requests": requests}


def _failure(row: Sequence[Any]) -> dict[str, Any] | None:
    attempts, since, due, error, message, traceback = row
    if attempts is None:
        return None
    return {
        "attempts": attempts,
        "since": since,
        "due": due,
        "dead_letter": due is None,
        "error": error,
        "message": message,
        "traceback": traceback,
    }


def _dependents(cursor: Cursor, graph: Graph, name: str) -> list[dict[str, Any]]:
    names = sorted({product.name for product, _ in graph.by_product.get(name, ())})
    cursor.execute(_STORED, [names])
    stored = dict(cursor.fetchall())
    return [{"product": reader, "stored_keys": stored.get(reader, 0)} for reader in names]
