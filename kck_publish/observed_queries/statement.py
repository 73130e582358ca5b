"""One statement, as sqlglot parses it: its tables, and by which conditions their rows are found.

Only what must hold of a row is a condition: what stands in the AND of a WHERE or of a join's ON,
in a subquery as well. What stands under OR or NOT says nothing of which rows count.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

try:
    from sqlglot import ErrorLevel, exp, parse
    from sqlglot.errors import SqlglotError

    _parsable = True
except ImportError:  # a development extra
    _parsable = False

_PLACE = re.compile(r"%(%|s)")


class Column(NamedTuple):
    """A column of a table, by the table's alias in the statement."""

    alias: str
    name: str


class Equal(NamedTuple):
    """A column that is compared with what the statement is given, by its places there."""

    column: str
    places: tuple[int, ...]


@dataclass
class Statement:
    """What one statement reads.

    Attributes:
        tables: by alias.
        given: by alias, the columns that equal something that is given.
        joined: by alias, the columns that equal one of another table: own column, other column.
        shown: by alias, the columns that the statement gives as they are.
    """

    tables: dict[str, str] = field(default_factory=dict)
    given: dict[str, list[Equal]] = field(default_factory=dict)
    joined: dict[str, list[tuple[str, Column]]] = field(default_factory=dict)
    shown: dict[str, set[str]] = field(default_factory=dict)


def available() -> bool:
    """Whether statements can be parsed here."""
    return _parsable


@lru_cache(maxsize=1000)
def statement_of(text: str, filled: bool = True) -> Statement | None:
    """A query as Django sends it; None for what cannot be parsed, or reads nothing.

    Args:
        text: with ``%s`` for what it is given.
        filled: whether it is given anything: else a ``%`` stands for itself.
    """
    if not _parsable:
        return None
    places = iter(range(1, 100_000))
    if filled:
        text = _PLACE.sub(lambda match: "%" if match[1] == "%" else f"${next(places)}", text)
    try:
        trees = parse(text, dialect="postgres", error_level=ErrorLevel.RAISE)
    except (SqlglotError, RecursionError):
        return None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        return None
    tree: Any = trees[0]
    found = Statement()
    names = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name not in names:
            found.tables[table.alias_or_name] = table.name
    for select in tree.find_all(exp.Select):
        _read(select, found)
    return found


def _read(select: Any, found: Statement) -> None:
    """Add the conditions of one SELECT, and the columns that it shows."""
    sources = [
        select.args.get("from_") or select.args.get("from"),
        *(select.args.get("joins") or ()),
    ]
    local = {source.this.alias_or_name for source in sources if source is not None}
    where = select.args.get("where")
    if where is not None:
        for condition in _all_of(where.this):
            _add(condition, found, local)
        for inside in where.find_all(exp.In):  # also under NOT or OR: the subquery's rows
            _add_subquery(inside, found, outwards=False)
    for join in select.args.get("joins") or ():
        on = join.args.get("on")
        if on is None or join.side in ("RIGHT", "FULL"):
            continue
        # Rows of the left side count without one of the right: only the right one is found by it.
        owners = {join.this.alias_or_name} if join.side else local
        for condition in _all_of(on):
            _add(condition, found, owners)
    for shown in select.expressions:
        column = _column(shown.unalias(), found)
        if column is not None:
            found.shown.setdefault(column.alias, set()).add(column.name)


def _all_of(condition: Any) -> Iterator[Any]:
    """The conditions that all have to hold."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _all_of(condition.this)
        yield from _all_of(condition.expression)
    else:
        yield condition


def _add(condition: Any, found: Statement, owners: Container[str]) -> None:
    """Add one condition, as one of the rows of some tables."""
    if isinstance(condition, exp.EQ):
        left, right = condition.this.unnest(), condition.expression.unnest()
        if isinstance(right, exp.Any):
            right = right.this.unnest()
        for one, other in ((left, right), (right, left)):
            _give(found, _column(one, found), [_place(other)], owners)
        _join(found, _column(left, found), _column(right, found), owners)
    elif isinstance(condition, exp.In) and condition.args.get("query") is not None:
        _add_subquery(condition, found, outwards=True)
    elif isinstance(condition, exp.In):
        places = [_place(each.unnest()) for each in condition.expressions]
        _give(found, _column(condition.this.unnest(), found), places, owners)
    elif isinstance(condition, exp.Exists) and isinstance(condition.this, exp.Select):
        where = condition.this.args.get("where")
        for inner in () if where is None else _all_of(where.this):
            if isinstance(inner, exp.EQ):
                left, right = inner.this.unnest(), inner.expression.unnest()
                _join(found, _column(left, found), _column(right, found), found.tables)


def _add_subquery(condition: Any, found: Statement, outwards: bool) -> None:
    """Add what ``column IN (SELECT other ...)`` says: the two are equal."""
    query = condition.args.get("query")
    inner = query.unnest() if query is not None else None
    if isinstance(inner, exp.Select) and inner.expressions:
        shown = _column(inner.expressions[0].unalias(), found)
        owners: Container[str] = found.tables if outwards else {shown.alias} if shown else ()
        _join(found, _column(condition.this.unnest(), found), shown, owners)


def _give(
    found: Statement, column: Column | None, places: Sequence[int | None], owners: Container[str]
) -> None:
    if column is not None and column.alias in owners and places and None not in places:
        equal = Equal(column.name, tuple(place for place in places if place is not None))
        found.given.setdefault(column.alias, []).append(equal)


def _join(
    found: Statement, left: Column | None, right: Column | None, owners: Container[str]
) -> None:
    if left is None or right is None or left.alias == right.alias:
        return
    for own, other in ((left, right), (right, left)):
        joined = found.joined.setdefault(own.alias, [])
        if own.alias in owners and (own.name, other) not in joined:
            joined.append((own.name, other))


def _column(node: Any, found: Statement) -> Column | None:
    if not isinstance(node, exp.Column):
        return None
    alias = node.table or (next(iter(found.tables)) if len(found.tables) == 1 else "")
    return Column(alias, node.name) if alias in found.tables else None


def _place(node: Any) -> int | None:
    """Which of the given values this is, counted from 0."""
    if isinstance(node, exp.Cast):
        node = node.this.unnest()
    if isinstance(node, exp.Parameter):
        return int(node.name) - 1
    return None
