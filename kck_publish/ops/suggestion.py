"""A suggestion: what was seen of a product, compared with what it declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..observed_queries.declarations import Declaration, declarations, depends_text
from ..observed_queries.lookups import models_by_table
from ..observed_queries.observed import Rows
from ..products.depends import Depends
from ..products.product import Product
from ..products.suggested import new_tables, with_columns
from ..products.undeclared_columns import declared_columns
from ..products.undeclared_reads import Observed

# The columns that queries use, by table.
Used = Mapping[str, Collection[str]]


@dataclass
class Suggestion:
    """What was seen of one product.

    Attributes:
        product: it.
        keys: how many keys were computed.
        failed: the keys whose compute failed, with the error.
        seen: what ``depends_on`` would be, from what was read alone.
        missing: what is to be added to it.
        undeclared: the tables, and columns as ``table.column``, that are read and not declared.
        unread: what is declared and was not read.
        notes: what cannot be told.
    """

    product: Product
    keys: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seen: list[Declaration] = field(default_factory=list)
    missing: list[Declaration] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where it is declared."""
        return f"{self.product.sender.__module__}.{self.product.sender.__qualname__}"

    @property
    def lines(self) -> list[str]:
        """What to write: dependencies that are not there, and those with more columns."""
        new = map(self.product.dependency_text, self.missing)
        return [*new, *with_columns(self.product, self.undeclared)]


def conclude(
    found: Suggestion, observed: Sequence[Observed], rows: Sequence[Rows], used: Used | None
) -> None:
    """Fill in what follows from the computes of some keys.

    Args:
        observed: a compute each.
        rows: that the statements of all of them found.
        used: the columns that these use; None where it cannot be told.
    """
    tables = {table for each in observed for table in each.tables}
    # Columns are told apart here: where nothing may be written, PostgreSQL is not asked for them.
    undeclared = {each for one in observed for each in one.undeclared if "." not in each}
    for table, columns in declared_columns(found.product).items():
        undeclared |= {f"{table}.{each}" for each in set((used or {}).get(table, ())) - columns}
    found.undeclared = sorted(undeclared)
    found.seen = declarations(tables, rows, used)
    new = new_tables(found.product, undeclared)
    found.missing = [
        each
        for each in found.seen
        if new & {one._meta.db_table for one in (each.model, *each.model._meta.all_parents)}
    ]
    if observed:
        found.unread = list(_unread(found.product, tables, rows, used))
    found.notes = list(_notes(found, tables, rows))
    if used is None:
        found.notes.append("columns: PostgreSQL could not be asked which ones the queries use")


def _unread(
    product: Product, tables: Collection[str], rows: Sequence[Rows], used: Used | None
) -> Iterator[str]:
    """What is declared by hand and was not read."""
    whole = {each.table for each in rows if each.whole}
    for dependency in product.depends_on:
        if type(dependency) is not Depends or isinstance(dependency.on, str):
            continue
        models = dependency.models
        if not {model._meta.db_table for model in models} & set(tables):
            yield _text(dependency)
            continue
        for name in dependency.columns or () if used is not None else ():
            for model in models:
                for each in model._meta.local_concrete_fields:
                    table = model._meta.db_table
                    named = name in (each.name, each.attname)
                    if (
                        named
                        and table not in whole
                        and each.column not in (used or {}).get(table, ())
                    ):
                        yield f"{table}.{each.column}, of {_text(dependency)}"


def _notes(found: Suggestion, tables: Collection[str], rows: Sequence[Rows]) -> Iterator[str]:
    if not found.keys:
        yield f"no key was there to compute: name one, {found.product.name}/..."
        return
    for key, error in found.failed.items():
        yield f"{key} failed: {error}"
    if found.keys == 1 and found.product.parameters:
        yield "only one key was computed: a value may be equal to its parameter by chance"
    yield from (
        f"{table}: no model has this table, so nothing can be declared of it"
        for table in sorted(tables)
        if table not in models_by_table()
    )
    wide = [each.model._meta.db_table for each in found.seen if not each.mapping]
    if wide and found.product.parameters:
        yield (
            f"{', '.join(wide)}: no condition leads from these rows to a parameter, as far as was "
            "seen, so a change of one refreshes every key"
        )
    whole = {each.model for each in rows if each.whole}
    if names := [each.model._meta.db_table for each in found.seen if each.model in whole]:
        yield (
            f"{', '.join(dict.fromkeys(names))}: rows are loaded whole; only the code tells which "
            "columns it uses, and columns=[...] would make changes of others not count"
        )
    for dependency in found.product.depends_on:
        if type(dependency) is Depends and not dependency.mapping and dependency.keys is None:
            for each in found.seen:
                if each.model is dependency.on and each.mapping:
                    yield f"{_text(dependency)} could be narrower: {each}"


def _text(dependency: Depends) -> str:
    name = dependency.on if isinstance(dependency.on, str) else dependency.on.__name__
    return depends_text(name, dependency.mapping, dependency.columns)
