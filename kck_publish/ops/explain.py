"""Why a value is what it is: all that is known of one key. ``kck_explain``.

Only looks: nothing is primed, and no value is shown.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connections

from .. import clock, stores
from ..conf import settings
from ..exceptions import StoreMissing, UnknownProduct
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
from ..stores import edges
from .graph import by_what

_PLACE = """
SELECT s.shard, s.done::text,
       (SELECT l.name FROM kck_publish_listener l WHERE s.shard = ANY (l.shards)
         ORDER BY l.seen_at DESC LIMIT 1)
  FROM kck_publish_shard s WHERE s.shard = %s %% s.shards
"""
_ENTRY = """
SELECT fingerprint, stamp::text, by, version, primed_at, soft_expire, hard_expire, behind, reason,
       seconds, octet_length(body)
  FROM kck_publish_entry WHERE digest = %s AND (%s::text IS NULL OR fingerprint = %s)
 ORDER BY primed_at DESC LIMIT 1
"""
_PENDING = f"""
SELECT count(*) FILTER (WHERE source = ANY (%(sources)s) AND op <> 'refresh'),
       count(*) FILTER (WHERE op = 'refresh' AND source = %(product)s AND new = ARRAY[%(key)s])
  FROM kck_publish_change WHERE {UNSEEN}
"""
_FAILURE = """
SELECT attempts, first_at, due_at, error, message, traceback FROM kck_publish_failure
 WHERE digest = %s AND fingerprint = %s
"""
_STORED = "SELECT product, count(*) FROM kck_publish_entry WHERE product = ANY (%s) GROUP BY 1"


@dataclass(frozen=True)
class Explanation:
    """What ``kck_explain --json`` prints.

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
    """What is known of a key.

    Raises:
        UnknownProduct: nobody computes it and nothing is stored there.
        KeyParameterMismatch: the key is not written as its product's keys are.
        StoreMissing: when the library is not migrated.
    """
    graph, product = registry.graph(), registry.find(key)
    parameters = product.parameters_of(key) if product else {}
    connection = connections[settings.DATABASE]
    if "kck_publish_entry" not in connection.introspection.table_names():
        raise StoreMissing("kck_publish_entry", settings.DATABASE)
    with clock.aware(connection.cursor()) as cursor:
        stored, last = _entry(cursor, product, key)
        if product is None and stored is None:
            raise UnknownProduct(key, difflib.get_close_matches(key, graph.products))
        shard, done = _place(cursor, key)
        return Explanation(
            key,
            product_of(key),
            None if product is None else computed_by(product),
            parameters,
            _inputs(product) | {"recorded": _recorded(cursor, key)},
            stored,
            last,
            _pending(cursor, graph, key, done),
            _failure(cursor, product, key),
            _dependents(cursor, graph, product_of(key)),
            _schedule(cursor, product),
            shard,
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


def _recorded(cursor: Cursor, key: str) -> list[dict[str, str]]:
    address = stores.Address(key, "")
    return [{"name": name, "by": "recorded"} for name in edges.keys_read_for(cursor, address)]


def _entry(
    cursor: Cursor, product: Product | None, key: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    fingerprint = product.fingerprint if product else None
    digest = stores.Address(key, "").digest
    cursor.execute(_ENTRY, [digest, fingerprint, fingerprint])
    row = cursor.fetchone()
    if row is None:
        return None, None
    stored_fingerprint, stamp, by, version, at, soft, hard, behind, reason, seconds, size = row
    stored = {
        "version": version,
        "stamp": stamp,
        "behind": behind,
        "bytes": size,
        "fingerprint": stored_fingerprint,
        "soft_expire": soft,
        "hard_expire": hard,
    }
    why, _, change = reason.partition(": ")
    return stored, {"why": why, "change": change or None, "seconds": seconds, "at": at, "by": by}


def _place(cursor: Cursor, key: str) -> tuple[dict[str, Any] | None, str]:
    cursor.execute(_PLACE, [stores.Address(key, "").bucket])
    row = cursor.fetchone()
    if row is None:
        return None, NOTHING
    return {"shard": row[0], "cursor": row[1], "listener": row[2]}, row[1]


def _pending(cursor: Cursor, graph: Graph, key: str, done: str) -> dict[str, int]:
    name = product_of(key)
    sources = [*graph.tables(name), *graph.upstream(name)]
    cursor.execute(_PENDING, {"sources": sources, "product": name, "key": key, "since": done})
    changes, requests = cursor.fetchone()
    return {"changes": changes, "requests": requests}


def _failure(cursor: Cursor, product: Product | None, key: str) -> dict[str, Any] | None:
    address = stores.Address(key, product.fingerprint if product else "")
    cursor.execute(_FAILURE, [address.digest, address.fingerprint])
    row = cursor.fetchone()
    if row is None:
        return None
    attempts, since, due, error, message, traceback = row
    return {
        "attempts": attempts,
        "since": since,
        "due": due,
        "dead_letter": due is None,
        "error": error,
        "message": message,
        "traceback": traceback,
    }


def _schedule(cursor: Cursor, product: Product | None) -> dict[str, Any] | None:
    if product is None or product.refresh_every is None:
        return None
    plans = schedule.plans(cursor, [product.name])
    return plans[0] if plans else None


def _dependents(cursor: Cursor, graph: Graph, name: str) -> list[dict[str, Any]]:
    names = sorted({product.name for product, _ in graph.by_product.get(name, ())})
    cursor.execute(_STORED, [names])
    stored = dict(cursor.fetchall())
    return [{"product": reader, "stored_keys": stored.get(reader, 0)} for reader in names]
