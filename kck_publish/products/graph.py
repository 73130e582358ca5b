"""The graph of the products: which of them depend on a source, and which on another product."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import Model

from ..capture import own_session_writes
from ..capture.source import Source, column_of, wrote_setting
from ..exceptions import DependencyCycle, InvalidPrimer
from .column_fits import check_fit, told_by
from .depends import Depends, fields_of
from .domain import Membership
from .equality import check_exact
from .product import Product

# (what computes, through which of its dependencies)
Dependent = tuple[Product, Depends]


@dataclass(frozen=True)
class Graph:
    """All products with their dependencies, as declared at one moment."""

    products: dict[str, Product]
    by_model: dict[type[Model], list[Dependent]] = field(default_factory=lambda: defaultdict(list))
    by_product: dict[str, list[Dependent]] = field(default_factory=lambda: defaultdict(list))
    # What values of a product, as this process has seen, were computed from besides.
    recorded: dict[str, set[str]] = field(default_factory=dict)
    # What Followers want to be captured besides.
    followed: list[Depends] = field(default_factory=list)

    @cached_property
    def walked(self) -> frozenset[type[Model]]:
        """The models whose old rows matter to those who follow a path through them."""
        return frozenset(
            node.model
            for product in self.products.values()
            for dependency in product.depends_on
            if dependency.spanning
            for node in dependency.nodes
        )

    @cached_property
    def fingerprints(self) -> list[str]:
        """The fingerprints of this code's products."""
        return [product.fingerprint for product in self.products.values()]

    @cached_property
    def publishers(self) -> dict[type[Model], list[type[Model]]]:
        """By the model of a row, the models whose own ``publish`` says what it publishes."""
        publishers: dict[type[Model], list[type[Model]]] = defaultdict(list)
        for product in self.products.values():
            if product.publisher is not None:
                for model in product.depends_on[0].models:  # the row itself
                    publishers[model].append(product.publisher)
        return publishers

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The sources by table name, each with the columns that somebody depends on."""
        needs: dict[type[Model], list[Dependent]] = {
            model: [] for wanted in self.followed for model in wanted.models
        }
        needs |= self.by_model
        found: dict[str, Source] = {}
        for model, all_ in sorted(needs.items(), key=lambda need: not need[0]._meta.managed):
            source = _source(model, all_, self.followed)
            known = found.get(source.table)
            found[source.table] = source if known is None else known.with_(source)
        return found

    @cached_property
    def order(self) -> dict[str, int]:
        """A number for each product, higher than those of all products it depends on.

        Raises:
            DependencyCycle: when products depend on each other in a ring.
        """
        order: dict[str, int] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise DependencyCycle(path[path.index(name) :])
            if name not in order:
                for upstream in self.upstream(name):
                    visit(upstream, (*path, name))
                order[name] = len(order)

        for name in self.products:
            visit(name, ())
        return order

    def upstream(self, name: str) -> Iterator[str]:
        """The products that this one is declared to depend on."""
        product = self.products.get(name)
        for dependency in product.depends_on if product else ():
            if dependency.product is not None:
                yield dependency.product

    def path(self, name: str, under: str) -> list[str]:
        """From a product to one that it is declared to depend on, through others; [] if none."""
        todo, seen = [[name]], {name}
        while todo:
            path = todo.pop(0)
            if path[-1] == under:
                return path
            new = [product for product in self.upstream(path[-1]) if product not in seen]
            seen.update(new)
            todo += [[*path, product] for product in new]
        return []

    def stands_on(self, name: str) -> set[str]:
        """The products under this one: declared, and recorded as far as this process knows."""
        return {*self.upstream(name), *self.recorded.get(name, ())}

    def learn(self, name: str, over: str) -> bool:
        """Remember what a value was computed from besides; whether any of that is new."""
        new = set(over.split("|")) - self.recorded.get(name, set())
        if new:
            self.recorded[name] = self.recorded.get(name, set()) | new
            self._tables.clear()
            self._wrote.clear()
            own_session_writes.unsettle()
        return bool(new)

    def tables(self, name: str) -> frozenset[str]:
        """The tables of all sources under a product, through other products too."""
        if name not in self._tables:
            self._tables[name] = frozenset(
                model._meta.db_table
                for below in self.below(name)
                for dependency in self.products[below].depends_on
                for model in dependency.models
            )
        return self._tables[name]

    def under(self, name: str) -> list[str]:
        """The products and the tables under a product, itself included."""
        return [*self.below(name), *self.tables(name)]

    def below(self, name: str) -> set[str]:
        """The product, and the products that it depends on, through others too."""
        below: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop()
            if current not in below and current in self.products:
                below.add(current)
                todo += self.stands_on(current)
        return below

    def wrote(self, name: str) -> list[str]:
        """The session settings that tell which transaction last wrote under a product."""
        if name not in self._wrote:
            self._wrote[name] = sorted(map(wrote_setting, self.tables(name)))
        return self._wrote[name]

    @cached_property
    def lookups(self) -> dict[object, Product]:
        """The product of each lookup of a model, filled by readers."""
        return {}

    @cached_property
    def _tables(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _wrote(self) -> dict[str, list[str]]:
        return {}


def _source(model: type[Model], dependents: list[Dependent], followed: list[Depends]) -> Source:
    columns = {field.attname: column_of(field) for field in model._meta.local_concrete_fields}
    keys = [column_of(field) for field in model._meta.pk_fields]
    captured: dict[str, None] = dict.fromkeys(keys)
    watched: dict[str, None] | None = {}
    for product, dependency in dependents:
        wanted = [columns[name] for name in dependency.wanted(model) if name in columns]
        whole = dependency.columns is None and product.sees_rows(dependency)
        captured.update(dict.fromkeys(columns.values() if whole else wanted))
        names = product.captured if dependency is product.depends_on[0] else ()
        extra = [field.attname for name in names for field in fields_of(model, name)]
        captured.update(dict.fromkeys(columns[name] for name in extra if name in columns))
        if dependency.columns is None:
            watched = None
        elif watched is not None:
            watched.update(dict.fromkeys(wanted))
    for dependency in followed:
        if model in dependency.models:
            wanted = [columns[name] for name in dependency.wanted(model) if name in columns]
            if dependency.columns is None:
                captured.update(dict.fromkeys(columns.values()))
                watched = None
            else:
                captured.update(dict.fromkeys(wanted))
                watched = None if watched is None else watched | dict.fromkeys(wanted)
    return Source((model,), tuple(captured), None if watched is None else tuple(watched))


def connect(graph: Graph, product: Product, dependency: Depends) -> None:
    unknown = set(dependency.mapping) - {parameter.name for parameter in product.parameters}
    if unknown:
        raise InvalidPrimer(
            f"{product.name}: Depends maps {', '.join(sorted(unknown))}, which is no parameter "
            f"of it; its parameters are {[parameter.name for parameter in product.parameters]}."
        )
    if isinstance(dependency, Membership):
        graph.by_product[dependency.domain].append((product, dependency))
    if dependency.product is not None:
        if dependency.product not in graph.products:
            raise InvalidPrimer(
                f"{product.name} depends on the product {dependency.product!r}, which no primer "
                f"computes{_similar(dependency.product, graph.products)}"
            )
        graph.by_product[dependency.product].append((product, dependency))
    for column in dependency.found_by:  # one that does not exist is refused here
        check_exact(column, product.name)
    for parameter in product.parameters:
        for column in dependency.fields_of(parameter.name):
            check_fit(product.name, parameter, column)
    for model in dependency.models:
        dependency.wanted(model)  # as above
        graph.by_model[model].append((product, dependency))


def fit_parameters(product: Product) -> None:
    """Have parameters take a column's value in the one text that its rows tell their keys by."""
    fitted = [
        told_by(one, (column for each in product.depends_on for column in each.fields_of(one.name)))
        for one in product.parameters
    ]
    if fitted != [*product.parameters]:
        product.parameters = tuple(fitted)
        for name in ("plain", "fingerprint"):
            vars(product).pop(name, None)


def _similar(name: str, names: Collection[str]) -> str:
    """The end of a message about a name that does not exist."""
    similar = difflib.get_close_matches(name, names)
    return f"; did you mean {' or '.join(similar)}?" if similar else "."
