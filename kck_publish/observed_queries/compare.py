"""Lookup paths that no join shows: rows that one statement finds by what another one gave.

A prefetch, a loop over rows, a query by the pk of a row: the values that a column was
compared with are those of rows that belong to the key. Each path over a relation to a table whose
rows are known to belong to it is tried: it fits where it finds all of these rows, for every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import ForeignKey, Model, QuerySet

from .lookups import Facts, Mapped, mapped, relations
from .observed import Key, Rows

# The mappings that are known, by model.
Known = dict[type[Model], list[Mapped]]
# Relations from a table to one that is known, at the most.
STEPS = 2
# Rows of a key that are compared, at the most.
MANY = 1000


def complete(found: Sequence[Rows], keys: Sequence[Key], alias: str) -> None:
    """Find the mappings of rows that have none, from those that have one.

    Args:
        found: the rows, whose mappings are set.
        keys: what was computed.
        alias: of the database that was read.
    """
    tried: set[tuple[int, int]] = set()
    while True:
        known = _known(found)
        before = sum(bool(rows.mapping) for rows in found)
        for number, rows in enumerate(found):
            if not rows.mapping:
                rows.mapping = mapped(_with_known(rows, found), rows.alias)
            given = any(any(values) for values in rows.given.values())
            if not rows.mapping and given and (number, before) not in tried:
                tried.add((number, before))
                rows.mapping = _best(rows, keys, known, alias)
        if before == sum(bool(rows.mapping) for rows in found):
            return


def _known(found: Sequence[Rows]) -> Known:
    """The mappings of each model, as far as they are known."""
    known: Known = {}
    for rows in found:
        if rows.mapping and rows.mapping not in known.setdefault(rows.model, []):
            known[rows.model].append(rows.mapping)
    return known


def _with_known(rows: Rows, found: Sequence[Rows]) -> Facts:
    """The facts of a statement, with the mappings that its other tables have got meanwhile."""
    others = {other.alias: other.mapping for other in found if other.facts is rows.facts}
    return replace(rows.facts, known={name: one for name, one in others.items() if one})


def _best(rows: Rows, keys: Sequence[Key], known: Known, alias: str) -> Mapped:
    """The mapping that finds the fewest rows besides; none where none fits."""
    fitting: list[tuple[int, int, str, Mapped]] = []
    for mapping in _candidates(rows.model, known, STEPS):
        excess = _excess(rows, keys, mapping, alias)
        if excess is not None:
            text = str(sorted(mapping.items()))
            fitting.append((excess, text.count("__"), text, mapping))
    return min(fitting)[3] if fitting else {}


def _candidates(model: type[Model], known: Known, steps: int) -> Iterator[Mapped]:
    for field in relations(model) if steps else ():
        target = field.related_model
        name = str(field.name)
        for mapping in known.get(target, ()):
            yield {
                parameter: name if path == "pk" else f"{name}__{path}"
                for parameter, path in mapping.items()
            }
        for mapping in _candidates(target, known, steps - 1):
            yield {parameter: f"{name}__{path}" for parameter, path in mapping.items()}


def _excess(rows: Rows, keys: Sequence[Key], mapping: Mapped, alias: str) -> int | None:
    """How many rows more than those that were found the mapping names; None: it misses one."""
    seen = excess = 0
    for place, key in enumerate(keys):
        wanted = _queryset(rows, place, alias)
        if wanted is None:
            continue
        pks = set(wanted.values_list("pk", flat=True)[:MANY])
        if not pks and _leads_elsewhere(rows, place, key, mapping, alias):
            return None
        named = rows.model._base_manager.using(alias).filter(
            **{path: key.parameters[parameter] for parameter, path in mapping.items()}
        )
        present = set(named.filter(pk__in=pks).values_list("pk", flat=True))
        if present != pks:
            return None
        seen += len(pks)
        excess += named.distinct().count() - len(pks)
    return excess if seen else None


def _leads_elsewhere(rows: Rows, place: int, key: Key, mapping: Mapped, alias: str) -> bool:
    """Whether the mapping would miss a row that may come, where a key has found none.

    A foreign key was compared with rows of its target: these must belong to the key.
    """
    for column, by_key in rows.given.items():
        for field in rows.model._meta.concrete_fields:
            ours = {
                parameter: path.partition("__")[2] or "pk"
                for parameter, path in mapping.items()
                if path.partition("__")[0] == field.name
            }
            if field.column == column and isinstance(field, ForeignKey) and ours:
                name = field.target_field.attname
                targets = field.related_model._base_manager.using(alias).filter(
                    **{f"{name}__in": by_key[place]}
                )
                named = {path: key.parameters[parameter] for parameter, path in ours.items()}
                if set(targets.values_list("pk")) - set(targets.filter(**named).values_list("pk")):
                    return True
    return False


def _queryset(rows: Rows, place: int, alias: str) -> QuerySet[Any] | None:
    """The rows that were asked for, for one key."""
    conditions = {}
    for column, by_key in rows.given.items():
        field: Any = next(
            (each for each in rows.model._meta.concrete_fields if each.column == column), None
        )
        if field is not None and by_key[place]:
            conditions[f"{field.attname}__in"] = by_key[place]
    if not conditions:
        return None
    return rows.model._base_manager.using(alias).filter(**conditions)
