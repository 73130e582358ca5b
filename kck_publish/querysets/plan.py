"""What follows from a ``queryset``: its dependencies, and how narrow each became."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from django.db.models import QuerySet

from ..exceptions import InvalidPrimer
from ..log.change import Change
from ..products.column_fits import check_fit, fitted
from ..products.depends import All, Touch
from ..products.equality import inexact
from ..products.join_walk import OldRows
from ..products.parameters import Parameter
from ..products.path_rows import Way
from ..products.paths import Node, Tree
from ..products.touched_keys import SHOWN
from .joined import Table, opaque, trees
from .joined_changes import told
from .notes import SELECTS, Notes
from .probe import Run, runs
from .reading import Reading

# Of more parameters that may be None not all combinations are looked at.
MANY = 4
VOLATILE = "volatile"


class Read(Way):
    """A dependency on the rows of one table that a queryset reads.

    Args:
        tree, node: where it is among the tables of its query.
        none: the parameters that are None in this form of the query.
        hidden: what of the query cannot be seen through.
    """

    def __init__(self, tree: Tree, node: Node, none: Sequence[str], hidden: Sequence[str]) -> None:
        super().__init__(tree, node)
        self.none = dict.fromkeys(none)
        self.hidden = hidden
        # Whether changes of these rows amend values, and are told with what they are joined to.
        self.amends = False
        self.joined = True

    @cached_property
    def found(self) -> list[str]:
        """The parameters that tell which keys a changed row touches."""
        return [
            *(name for name in self.way.root.bound(self.node) if not name.startswith(SHOWN)),
            *self.none,
        ]

    @property
    def how(self) -> str:
        if self.hidden:
            return f"read, all keys: {', '.join(self.hidden)} cannot be seen through"
        told = ", ".join(
            [
                f"{name}={node.label}.{attname}"
                for node in self.way.nodes
                for name, attname in node.tells(self.node).items()
                if not name.startswith(SHOWN)
            ]
            + [f"{name}=None" for name in self.none]
        )
        where = f", where {len(self.node.where)} conditions hold" if self.node.where else ""
        return f"read, {told or 'all keys'}{where}"

    def shown(self, change: Change) -> Change:
        return change if self.amends else super().shown(change)

    def targets_of(self, changes: Sequence[Change], old: OldRows) -> list[Touch] | All:
        touches = super().targets_of(changes, old)
        if isinstance(touches, All):
            return touches
        if self.amends:
            return [*told(self.node, changes, touches, self.joined)]
        return [
            touch._replace(target={**touch.target, **self.none}, exact=False)
            for touch in touches
            if None not in touch.target.values()  # NULL equals nothing
        ]


@dataclass(frozen=True)
class Joined:
    """Tables that are joined.

    Attributes:
        opaque: whether a query of theirs has what cannot be seen through.
    """

    tree: Tree
    nodes: Mapping[Table, Node]
    opaque: bool


@dataclass(frozen=True)
class Form:
    """One form of the query: with some parameters None.

    Attributes:
        runs: those with stand-ins for the parameters.
        read: what each of them reads.
        hidden: what cannot be seen through.
        none: the parameters that are None.
        trees: the tables.
        mapped: by ``id``, the conditions that a column equals a parameter.
    """

    runs: Sequence[Run]
    read: Sequence[Notes]
    hidden: Sequence[str]
    none: Sequence[str]
    trees: Sequence[Joined]
    mapped: frozenset[int]

    @property
    def run(self) -> Run:
        """One of its runs."""
        return self.runs[0]

    @property
    def signature(self) -> Sequence[str]:
        """The query without its values."""
        return self.read[0].signature

    @cached_property
    def dependencies(self) -> Sequence[Read]:
        """One for each table."""
        hidden = [one for one in self.hidden if one != VOLATILE]
        return [
            Read(
                joined.tree,
                node,
                () if joined.opaque else self.none,
                hidden if joined.opaque else (),
            )
            for joined in self.trees
            for node in joined.tree.nodes
        ]


def forms(
    name: str, parameters: Sequence[Parameter], queryset: Callable[..., Any]
) -> Iterator[Form]:
    """All forms of the query that ``queryset`` gives.

    Raises:
        InvalidPrimer: it cannot be followed.
    """
    may = [one.name for one in parameters if one.null]
    if len(may) > MANY:
        raise InvalidPrimer(f"{name}: more than {MANY} parameters of a queryset may be None.")
    for number in range(len(may) + 1):
        for none in combinations(may, number):
            yield _form(name, parameters, queryset, none)


def _form(
    name: str, parameters: Sequence[Parameter], queryset: Callable[..., Any], none: Sequence[str]
) -> Form:
    made = runs(name, parameters, queryset, none)
    read = [reading_of(run) for run in made]
    first = read[0]
    if any(one.signature != first.signature for one in read):
        raise InvalidPrimer(
            f"{name}: queryset() gives queries of different forms for different parameters. Give "
            "one form, or write a Primer."
        )
    if first.values != read[-1].values:
        first.hidden[VOLATILE] = None
    values = [one.values for one in read[:-1]]
    given = [run.given for run in made[:-1]]
    mapped: list[int] = []
    for table, asked in first.asked:
        if table.outer and asked.rejects_nothing():
            continue
        ours = [each[asked.start : asked.start + asked.count] for each in values]
        if all(each == ours[0] for each in ours):
            table.where.append(asked.holds)
        elif asked.equal is not None and _map(
            table, asked.equal, [each[0] for each in ours], parameters, given
        ):
            mapped.append(id(asked.part))
    blind = {id(table) for table in first.opaque}
    joined: list[Joined] = []
    for tree, nodes in trees(first.tables, first.joins):
        out = bool(blind & {id(table) for table in nodes}) or not all(map(_is_exact, tree.nodes))
        if out:
            opaque(tree)
        joined.append(Joined(tree, nodes, out))
    return Form(made[:-1], read[:-1], [*first.hidden], none, joined, frozenset(mapped))


def reading_of(run: Run) -> Notes:
    """What the queries of a run read."""
    reading = Reading()
    if isinstance(run.answer, QuerySet):
        reading.queryset(run.answer)
    else:
        for query in run.queries:
            reading.query(query)
    return reading.notes


def _map(
    table: Table,
    attname: str,
    values: Sequence[Any],
    parameters: Sequence[Parameter],
    given: Sequence[Mapping[str, Any]],
) -> bool:
    """Note which parameter a column equals, if its values are those that stood for one."""
    field = next(one for one in table.model._meta.local_concrete_fields if one.attname == attname)
    for one in parameters:
        stood = [each[one.name] for each in given]
        if one.name in table.params or None in stood:
            continue
        same = (fitted(one, value) == stands for value, stands in zip(values, stood, strict=True))
        if not all(same) or inexact(field) is not None:
            continue
        try:
            check_fit("", one, field)
        except InvalidPrimer:
            continue
        table.params[one.name] = attname
        return True
    return False


def _is_exact(node: Node) -> bool:
    """Whether equal columns that rows are found by are equal for Python, too."""
    fields = {field.attname: field for field in node.model._meta.local_concrete_fields}
    return all(inexact(fields[name]) is None for name in node.links)


def hides_tables(hidden: Sequence[str]) -> list[str]:
    """What may read tables that are not seen."""
    return [one for one in hidden if one.endswith(SELECTS) or "prefetch" in one]
