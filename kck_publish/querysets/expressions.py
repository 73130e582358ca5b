"""The expressions and conditions of a query: the columns that they read, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models.expressions import Col, Exists, RawSQL, Ref, Subquery, Value
from django.db.models.functions import Now, Random
from django.db.models.lookups import Lookup
from django.db.models.sql import Query
from django.db.models.sql.where import ExtraWhere, NothingNode, WhereNode

from .conditions import Asked
from .joined import Scope
from .links import join_outer, join_selected
from .notes import SELECTS, Aliases, Notes, is_known

SELECT = re.compile(r"\bselect\b", re.IGNORECASE)


class Expressions:
    """Goes through parts of queries.

    Args:
        notes: where what they read is noted.
        query: goes through a query inside.
    """

    def __init__(self, notes: Notes, query: Callable[[Query, Scope, bool], Aliases]) -> None:
        self._notes = notes
        self._query = query
        # The subqueries, so that none is gone through twice.
        self._gone_through: dict[tuple[int, Scope, bool], Query] = {}

    def visit(self, part: Any, always: bool) -> None:
        """A part of a query.

        Args:
            always: whether it is a condition that all rows fulfil.
        """
        if part is None:
            return
        if isinstance(part, WhereNode):
            within = always and part.connector == "AND" and not part.negated
            if always and not within:
                self._condition(part)
            self._notes.signature.append(f"{part.connector} {part.negated} (")
            for child in part.children:
                self.visit(child, within)
            self._notes.signature.append(")")
            return
        if isinstance(part, NothingNode):
            self._notes.signature.append("nothing")
            return
        if isinstance(part, Col):
            self._notes.signature.append(f"{part.alias}.{part.target.column}")
            self._notes.read(part)
            return
        if isinstance(part, Query):
            self._query(part, self._notes.scope, False)
            return
        if isinstance(part, Subquery):  # and Exists
            self._inner(part, always)
            return
        if isinstance(part, RawSQL | ExtraWhere):
            text = str(getattr(part, "sql", getattr(part, "sqls", "")))
            self._notes.hide(f"{type(part).__name__}{SELECTS if SELECT.search(text) else ''}")
            self._notes.signature.append(text)
            return
        if isinstance(part, Now | Random):
            self._notes.hidden["volatile"] = None
        self._notes.signature.append(type(part).__name__)
        if isinstance(part, Lookup):
            self._lookup(part, always)
            return
        if isinstance(part, Value):
            self._notes.value(part.value)
            return
        if not is_known(part):
            self._notes.hide(type(part).__name__)
        if isinstance(part, Ref):
            self.visit(part.get_source_expressions()[0], False)
            return
        for attribute in ("function", "template", "arg_joiner", "lookup_name", "distinct"):
            self._notes.signature.append(f"{attribute}={getattr(part, attribute, None)}")
        if not hasattr(part, "get_source_expressions"):
            self._notes.hide(type(part).__name__)
            return
        for inner in part.get_source_expressions():
            if inner is not None:
                self.visit(inner, False)

    def grouped(self, parts: Sequence[Any]) -> None:
        """Columns that rows are grouped by; beside a primary key the others say nothing."""
        keys = {one.alias for one in parts if isinstance(one, Col) and one.target.primary_key}
        for part in parts:
            if isinstance(part, Col) and part.alias in keys and not part.target.primary_key:
                continue
            self.visit(part, False)

    def _lookup(self, part: Lookup[Any], always: bool) -> None:
        self._notes.signature.append(str(part.lookup_name))
        if not is_known(part):
            self._notes.hide(type(part).__name__)
            always = False
        if always:
            self._condition(part)
        given: Any = part.rhs
        found = part.lookup_name == "exact" and given is True  # what filter(Exists()) becomes
        self.visit(part.lhs, always and found and isinstance(part.lhs, Exists))
        if isinstance(given, Query):
            join_selected(self._notes, part, given, always, self._query)
            return
        for one in given if isinstance(given, list | tuple | set | frozenset) else [given]:
            if hasattr(one, "resolve_expression"):
                self.visit(one, False)
            else:
                self._notes.value(one)
        join_outer(self._notes, part, always)

    def _inner(self, part: Subquery, always: bool) -> None:
        self._notes.signature.append(f"{type(part).__name__} {getattr(part, 'negated', False)}")
        if not is_known(part):
            self._notes.hide(type(part).__name__)
        place = (id(part.query), self._notes.scope, always)
        if place in self._gone_through:  # a condition on an annotation repeats it
            return
        self._gone_through[place] = part.query
        if isinstance(part, Exists):
            self._query(part.query.exists(), self._notes.scope, always)
        else:
            self._query(part.query, self._notes.scope, False)

    def _condition(self, part: Any) -> None:
        """Keep a condition that all rows fulfil, if it is on one table."""
        notes = self._notes
        asked = Asked.of(part, notes.find, len(notes.values))
        if asked is not None and notes.scopes[-1][1] and asked.table.scope is notes.scope:
            notes.asked.append((asked.table, asked))
