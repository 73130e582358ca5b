"""What computes have been seen to read: each statement with what it was given, key by key.

``rows_by`` says by which parameters a statement finds the rows of each of its tables. A value is
taken for a parameter's where it is equal to it in each run for each key; with one key only, or
with keys that are alike, it may be equal by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Model

from .lookups import Facts, Mapped, mapped
from .statement import Column, Statement, statement_of

# What a statement was given, run by run, of one key.
Given = Sequence[Any]


class Key(NamedTuple):
    """A key that was computed.

    Attributes:
        parameters: its parameters.
        runs: by the text of a statement, what each run was given.
    """

    parameters: Mapping[str, Any]
    runs: Mapping[str, Sequence[Given | None]]


@dataclass
class Rows:
    """The rows that a statement finds in one of its tables, in some of its runs.

    Attributes:
        table: the name.
        model: of the table.
        alias: the table's in the statement.
        facts: of the statement.
        mapping: the parameters that the rows are found by, so far.
        given: what columns were compared with: by column, by key, the values.
        whole: whether all columns are given to the program.
    """

    table: str
    model: type[Model]
    alias: str
    facts: Facts
    mapping: Mapped
    given: dict[str, list[set[Any]]]
    whole: bool


# A run of a statement, by the place of its key.
Run = tuple[int, Given]


def rows_by(keys: Sequence[Key], models: Mapping[str, type[Model]]) -> list[Rows]:
    """The rows that the statements of some keys of one product find."""
    found = []
    for text in dict.fromkeys(text for key in keys for text in key.runs):
        given = [(place, run) for place, key in enumerate(keys) for run in key.runs.get(text, ())]
        statement = statement_of(text, any(run is not None for _, run in given))
        if statement is None:
            continue
        for runs in _alike(statement, [(place, run or ()) for place, run in given], keys):
            facts = Facts(statement, _matches(statement, runs, keys), {}, models)
            for alias, table in statement.tables.items():
                model = models.get(table)
                if model is not None:
                    columns = {str(each.column) for each in model._meta.local_concrete_fields}
                    whole = columns <= statement.shown.get(alias, set())
                    values = _given(statement, alias, runs, len(keys))
                    mapping = mapped(facts, alias)
                    found.append(Rows(table, model, alias, facts, mapping, values, whole))
    return found


def _alike(statement: Statement, runs: Sequence[Run], keys: Sequence[Key]) -> list[Sequence[Run]]:
    """The runs of one text, apart where some are given parameters and others are not.

    A row by its pk, and then another one of that table: the text is the same. It is not by chance
    where each key has such a run, or where of no key only some runs are.
    """
    matching = [run for run in runs if _matches(statement, [run], keys)]
    if not matching or len(matching) == len(runs):
        return [runs]
    rest = [run for run in runs if run not in matching]
    places, others = {place for place, _ in matching}, {place for place, _ in rest}
    if places == {place for place, _ in runs} or (len(places) > 1 and not places & others):
        return [matching, rest]
    return [runs]


def _matches(statement: Statement, runs: Sequence[Run], keys: Sequence[Key]) -> dict[Column, str]:
    """The columns that equal a parameter in each run."""
    found = {}
    for alias, equals in statement.given.items():
        for equal in equals:
            fitting = [
                name
                for name in keys[runs[0][0]].parameters
                if all(
                    _is(_values(equal.places, run), keys[place].parameters[name])
                    for place, run in runs
                )
            ]
            if fitting:
                # Several parameters with one value: that which is called as the column is.
                fitting.sort(key=lambda name: name not in equal.column)
                found[Column(alias, equal.column)] = fitting[0]
    return found


def _given(
    statement: Statement, alias: str, runs: Sequence[Run], keys: int
) -> dict[str, list[set[Any]]]:
    found: dict[str, list[set[Any]]] = {}
    for equal in statement.given.get(alias, ()):
        by_key = found.setdefault(equal.column, [set() for _ in range(keys)])
        for place, run in runs:
            values = _values(equal.places, run)
            by_key[place].update(value for value in values if _hashable(value))
    return found


def _hashable(value: Any) -> bool:
    return type(value).__hash__ is not None


def _values(places: Sequence[int], run: Given) -> list[Any]:
    values: list[Any] = []
    for place in places:
        value = run[place] if place < len(run) else None
        values += value if isinstance(value, list | tuple) else [value]
    return values


def _is(values: Sequence[Any], parameter: Any) -> bool:
    """Whether these values are a parameter's; a UUID may be given as text."""
    return len(values) == 1 and (values[0] == parameter or str(values[0]) == str(parameter))
