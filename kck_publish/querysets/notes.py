"""What is noted of a query while ``reading`` goes through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Field, Func, Model
from django.db.models.expressions import Col, OrderBy
from django.db.models.sql import Query

from .conditions import Asked
from .joined import Join, Scope, Table

Aliases = dict[str, Table]
# What text of SQL has that may read other tables.
SELECTS = " with a SELECT"


@dataclass(frozen=True)
class Main:
    """The SELECT that gives the value, with the joins of all its parts.

    Attributes:
        query: it.
        select: what it selects.
        order: what it orders by.
        aliases: its tables.
    """

    query: Query
    select: Sequence[Any]
    order: Sequence[OrderBy]
    aliases: Aliases

    def find(self, part: Any) -> tuple[Table, Field[Any, Any]] | None:
        """The column that an expression is, and its table; None when it is anything else."""
        return column_in(part, self.aliases)


class Notes:
    """Of all queries of one run.

    Attributes:
        tables, joins: of all queries.
        asked: conditions that all rows of a table fulfil, each with the place of its value.
        opaque: tables whose query has parts that cannot be seen through.
        hidden: these parts, by name.
        signature: the queries without their values.
        values: the values in them.
        main: the SELECT that gives the value, if it is just one.
        several: whether it is not.
        scopes: the SELECTs that are gone through, the innermost last, with their tables by alias.
    """

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.joins: list[Join] = []
        self.asked: list[tuple[Table, Asked]] = []
        self.opaque: list[Table] = []
        self.hidden: dict[str, None] = {}
        self.signature: list[str] = []
        self.values: list[Any] = []
        self.main: Main | None = None
        self.several = False
        self.scopes: list[tuple[Scope, Aliases]] = []

    @property
    def scope(self) -> Scope:
        """The SELECT that is gone through."""
        return self.scopes[-1][0]

    def table(self, model: type[Model], scope: Scope) -> Table:
        """One more table."""
        table = Table(model, scope, model._meta.label)
        self.tables.append(table)
        return table

    def find(self, part: Any) -> tuple[Table, Field[Any, Any]] | None:
        """The column that an expression is, and its table; None when it is anything else."""
        for _, aliases in reversed(self.scopes):
            if isinstance(part, Col) and part.alias in aliases:
                return column_in(part, aliases)
        return None

    def read(self, part: Col) -> None:
        """A column is read."""
        found = self.find(part)
        if found is None:
            self.hide(f"the column {part.target.column}")
            return
        found[0].read(found[1].attname)

    def value(self, value: Any) -> None:
        """A value in the query."""
        self.signature.append("?")
        self.values.append(value)

    def hide(self, what: str, *tables: Table) -> None:
        """Something that cannot be seen through, in the SELECT that is gone through."""
        self.hidden[what] = None
        self.opaque += tables or [one for _, each in self.scopes for one in each.values()]


def column_in(part: Any, aliases: Aliases) -> tuple[Table, Field[Any, Any]] | None:
    """The column that an expression is, in one of these tables; None when it is anything else."""
    if not isinstance(part, Col) or part.alias not in aliases:
        return None
    table, field = aliases[part.alias], part.target
    local = any(field.column == one.column for one in local_fields(table.model))
    return (table, field) if local else None


def pk_of(model: type[Model]) -> str:
    """The attname of a model's primary key."""
    return str(model._meta.pk.attname)


def local_fields(model: type[Model]) -> list[Field[Any, Any]]:
    """The columns of a model's own table."""
    return list(model._meta.local_concrete_fields)


def is_known(part: Any) -> bool:
    """Whether Django itself has made what it asks of the database."""
    if not type(part).__module__.startswith("django."):
        return False
    own = getattr(part, "extra", None) or {}
    return type(part) is not Func and not own.keys() & {"function", "template"}
