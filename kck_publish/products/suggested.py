"""The declarations that a product lacks, as far as what one compute has read tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..observed_queries.declarations import declarations, depends_text
from ..observed_queries.lookups import models_by_table
from ..observed_queries.observed import Key, rows_by
from .depends import Depends
from .product import Parameters, Product
from .undeclared_columns import used_columns


def lines_for(
    product: Product,
    parameters: Parameters | None,
    runs: Mapping[str, Sequence[Any]],
    undeclared: Sequence[str],
    connection: BaseDatabaseWrapper,
) -> list[str]:
    """What to write into ``depends_on``, a line a dependency.

    Args:
        parameters: of the key; None for a pass over many.
        runs: by the text of a query, what each run was given.
        undeclared: tables, and columns as ``table.column``.
    """
    tables = new_tables(product, undeclared)
    found = rows_by([Key(parameters or {}, runs)], models_by_table()) if tables else []
    used = used_columns(connection, runs) if tables else None
    lines = [product.dependency_text(each) for each in declarations(tables, found, used)]
    return lines + with_columns(product, undeclared)


def new_tables(product: Product, undeclared: Collection[str]) -> set[str]:
    """The tables that need a dependency: it has none, or only lies on the way of another one."""
    columns = [each for each in undeclared if "." in each]
    wider = {
        model._meta.db_table
        for dependency in product.depends_on
        if missing_columns(dependency, columns)
        for model in dependency.models
    }
    return {table for each in undeclared if (table := each.partition(".")[0]) not in wider}


def with_columns(product: Product, undeclared: Sequence[str]) -> list[str]:
    """The declared dependencies with the columns that they lack, given as ``table.column``."""
    lines = []
    for dependency in product.depends_on:
        more = missing_columns(dependency, undeclared)
        if more and not isinstance(dependency.on, str):
            columns = [*(dependency.columns or ()), *more]
            lines.append(depends_text(dependency.on.__name__, dependency.mapping, columns))
    return lines


def missing_columns(dependency: Depends, undeclared: Sequence[str]) -> list[str]:
    """The attnames that a dependency with ``columns`` lacks."""
    if dependency.columns is None or type(dependency) is not Depends:
        return []
    by_column = {
        f"{model._meta.db_table}.{field.column}": field.attname
        for model in dependency.models
        for field in model._meta.local_concrete_fields
    }
    return [by_column[each] for each in undeclared if each in by_column]
