"""The linter of ``Depends(columns=...)``: columns that a compute asks for and that it lacks.

``undeclared_reads`` records the queries of a watched compute, and asks here what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from .product import Product
from .query_columns import Columns, columns_of

# Queries as their text is before the parameters are filled in, with the columns of each.
_known: dict[str, Columns] = {}
_MANY = 1000


# Runs of one query that are remembered.
_RUNS = 100


class Queries:
    """The queries of one compute, by text, each with the parameters of its runs."""

    def __init__(self, is_ours: Callable[[], bool]) -> None:
        self._is_ours = is_ours
        self.runs: dict[str, list[Any]] = {}

    @contextmanager
    def recording(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Record what Django sends meanwhile."""
        with connection.execute_wrapper(self._record):
            yield

    def _record(self, execute: Any, query: Any, params: Any, many: bool, context: Any) -> Any:
        if self._is_ours() and isinstance(query, str) and not many:
            runs = self.runs.setdefault(query, [])
            if len(runs) < _RUNS:
                runs.append(params)
        return execute(query, params, many, context)


def declared_columns(product: Product) -> Columns:
    """The columns of the tables of which only some are declared, with those of their pk."""
    by_model: dict[type[Model], set[str]] = {}
    whole: set[type[Model]] = set()
    for dependency in product.may_read:
        whole.update(dependency.reads)
        for model in dependency.models:
            if dependency.columns is None:
                whole.add(model)
            wanted = dependency.wanted(model)
            names = by_model.setdefault(
                model, {str(field.column) for field in model._meta.pk_fields}
            )
            names |= {
                str(field.column)
                for field in model._meta.local_concrete_fields
                if field.attname in wanted
            }
    return {
        model._meta.db_table: frozenset(columns)
        for model, columns in by_model.items()
        if model not in whole
    }


def undeclared_columns(
    connection: BaseDatabaseWrapper, declared: Columns, queries: Queries
) -> Iterable[str]:
    """The columns, as ``table.column``, that the queries read and that are not declared."""
    if declared:
        for query, params in queries.runs.items():
            for table, columns in (_columns(connection, query, params[0]) or {}).items():
                for column in columns - declared.get(table, columns):
                    yield f"{table}.{column}"


def used_columns(
    connection: BaseDatabaseWrapper, runs: Mapping[str, Sequence[Any]]
) -> Columns | None:
    """The columns that queries read, by table, but for rows that are loaded whole.

    Returns:
        None: of one of them it cannot be told.
    """
    used: Columns = {}
    for query, params in runs.items():
        columns_of_query = _columns(connection, query, params[0])
        if columns_of_query is None:
            return None
        for table, columns in columns_of_query.items():
            used[table] = used.get(table, frozenset()) | columns
    return used


def _columns(connection: BaseDatabaseWrapper, query: str, params: Any) -> Columns | None:
    if query not in _known:
        with psycopg.ClientCursor(connection.connection) as cursor:
            text = cursor.mogrify(query, params).strip()
        if not text[:6].upper().startswith(("SELECT", "WITH", "(")):
            return {}
        columns = columns_of(connection, text)
        if columns is None:
            return None
        if len(_known) >= _MANY:
            _known.clear()
        _known[query] = columns
    return _known[query]
