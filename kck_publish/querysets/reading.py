"""What a query reads: its tables, joins, columns and conditions, as Django will ask for them.

Nothing is executed. ``signature`` and ``values`` are parallel in all runs of one ``queryset``: two
runs with the same signature differ in their values alone.
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.sql import Query
from django.db.models.sql.subqueries import AggregateQuery

from ..conf import settings
from .expressions import SELECT, Expressions
from .joined import Scope
from .notes import SELECTS, Aliases, Main, Notes
from .prefetches import prefetched
from .tables import tables_of


class Reading:
    """Goes through queries.

    Attributes:
        notes: what they read.
    """

    def __init__(self) -> None:
        self.notes = Notes()
        self._expressions = Expressions(self.notes, self.query)

    def queryset(self, rows: QuerySet[Any], parent: Scope | None = None) -> Aliases:
        """A queryset, with what it prefetches."""
        aliases = self.query(rows.query, parent)
        lookups: Any = rows._prefetch_related_lookups  # type: ignore[attr-defined]
        for lookup in lookups:
            prefetched(self.notes, aliases, lookup, self.queryset)
        return aliases

    def query(self, query: Query, parent: Scope | None = None, needed: bool = False) -> Aliases:
        """A query: its tables by alias."""
        notes = self.notes
        if isinstance(query, AggregateQuery):
            notes.signature.append("aggregate")
            notes.several = True
            for expression in query.annotation_select.values():
                self._expressions.visit(expression, False)
            return self.query(query.inner_query, parent, needed)
        notes.signature.append(f"select {query.combinator or ''} {query.distinct} (")
        if query.combinator:
            notes.several = True
            for one in query.combined_queries:
                self.query(one, parent)
            _numbers(notes, query)
            notes.signature.append(")")
            return {}
        query = query.clone()
        scope = Scope(parent, needed)
        compiler = query.get_compiler(connection=connections[settings.DATABASE])
        _, order_by, _ = compiler.pre_sql_setup()
        compiler.get_distinct()
        aliases = tables_of(notes, query, scope, self._expressions.visit)
        if not notes.tables[len(aliases) :] and not notes.several:
            select = [expression for expression, _, _ in compiler.select or ()]
            order = [expression for expression, _ in order_by]
            notes.main = Main(query, select, order, aliases)
        notes.scopes.append((scope, aliases))
        if query.extra or query.extra_tables or query.extra_order_by:
            notes.hide(f"extra(){SELECTS if _selects(query) else ''}")
        for expression, _, _ in compiler.select or ():
            self._expressions.visit(expression, False)
        for expression, _ in order_by:
            self._expressions.visit(expression, False)
        for name, expression in query.annotations.items():
            if name not in query.annotation_select:
                self._expressions.visit(expression, False)
        self._expressions.grouped(query.group_by if isinstance(query.group_by, tuple) else ())
        for name in query.distinct_fields:
            _distinct(notes, aliases, name)
        self._expressions.visit(query.where, True)
        _numbers(notes, query)
        notes.scopes.pop()
        notes.signature.append(")")
        return aliases


def _numbers(notes: Notes, query: Query) -> None:
    notes.signature.append("limits")
    notes.value(query.low_mark)
    notes.value(query.high_mark)


def _distinct(notes: Notes, aliases: Aliases, name: str) -> None:
    notes.signature.append(name)
    for table in aliases.values():
        table.columns = None


def _selects(query: Query) -> bool:
    texts = [str(sql) for sql, _ in query.extra.values()]
    return bool(query.extra_tables) or any(map(SELECT.search, texts))
