"""Lookups by columns that the database compares otherwise than their fields say."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections
from django.db.models import Model

from ..capture.row_sql import quoted
from ..capture.source import column_of
from ..products import registry
from ..products.equality import inexact
from .registry import Asks, Problem, diagnosis

_INEXACT = """
SELECT a.attname, coalesce(c.collname, t.typname)
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_type base ON base.oid = t.typbasetype
  LEFT JOIN pg_collation c ON c.oid = a.attcollation AND NOT c.collisdeterministic
 WHERE a.attrelid = to_regclass(%s) AND a.attname = ANY (%s)
   AND (c.oid IS NOT NULL OR coalesce(base.typname, t.typname) IN ('citext', 'bpchar'))
 ORDER BY a.attname
"""


@diagnosis("lookup columns", Asks.DATABASE)
def inexact_columns(alias: str) -> Iterator[Problem]:
    """A lookup by, or a condition on, a column in which different texts are equal."""
    for model, names in _looked_up().items():
        with connections[alias].cursor() as cursor:
            cursor.execute(_INEXACT, [quoted(model._meta.db_table), sorted(names)])
            rows = cursor.fetchall()
        for column, why in rows:
            yield Problem(
                "E026",
                f"A product is looked up by, or compares, {model._meta.db_table}.{column}, in "
                f"which texts that differ are equal ({why}), while its field does not say so.",
                "Leave it out of cached_by, cached_lists and Depends(...), and of conditions, or "
                "give the column a deterministic collation and the type text.",
                model,
            )


def _looked_up() -> dict[type[Model], set[str]]:
    found: dict[type[Model], set[str]] = {}
    for model, dependents in registry.graph().by_model.items():
        for _, dependency in dependents:
            for field in dependency.found_by if dependency.on is model else ():
                found.setdefault(field.model, set()).add(column_of(field))
    for product in registry.graph().products.values():
        for field in product.compares:
            if inexact(field) is None:  # else it knows, and does not compare them
                found.setdefault(field.model, set()).add(column_of(field))
    return found
