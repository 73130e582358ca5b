"""The product of an ``AggregatePrimer``: how its states are computed, amended, stored and shown.

The body is what readers get, JSON as ever; the states lie beside it, behind the body's shape, so
that ``get_bytes`` and every store know nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Field, Model

from ..exceptions import InvalidPrimer, KeyParameterMismatch, Reprime, UnreadableValue
from ..primers.product import PrimerProduct
from ..products import encoding, registry
from ..products.columns import fields_of, has_column
from ..products.depends import Change, Depends
from ..products.fingerprints import fingerprint_of
from ..products.parameters import form_of
from ..products.product import Computed, Parameters
from . import conditions, stored_state
from .base import Aggregate
from .columns import Column
from .conditions import Where
from .gathering import Gathering

if TYPE_CHECKING:
    from .primer import AggregatePrimer


@dataclass
class State:
    """The state of one key: the number of its rows, and the state of each aggregate."""

    rows: int
    states: list[Any]


@dataclass(frozen=True)
class Plan:
    """A declaration, bound to its model."""

    model: type[Model]
    mapping: Mapping[str, str]
    where: Where
    aggregates: Mapping[str, Aggregate]
    gathering: Gathering


class AggregateProduct(PrimerProduct):
    """The product of an AggregatePrimer.

    Raises:
        InvalidPrimer: for a declaration that cannot be kept up exactly.
    """

    def __init__(self, primer: AggregatePrimer[Any]) -> None:
        self._aggregates = dict(primer.values)
        self._source = _source(type(primer).key, primer)
        super().__init__(primer)
        if apps.models_ready:
            self._bind()  # what is wrong is refused where it stands
        else:
            registry.later(self._bind)

    def _declare(self, name: str, parameters: Sequence[Any]) -> None:
        super()._declare(name, parameters)
        source, where = self._source, self._declared.where
        if self.depends_on:
            raise InvalidPrimer(f"{name}: leave depends_on out; `source` says what it depends on.")
        unmapped = [
            parameter.name for parameter in self.parameters if parameter.name not in source.mapping
        ]
        if unmapped:
            raise InvalidPrimer(
                f"{name}: `source` maps no column to {', '.join(unmapped)}; an aggregate's rows "
                "are found by all of its parameters."
            )
        read = [each for aggregate in self._aggregates.values() for each in aggregate.names()]
        model = cast("type[Model]", source.on)
        names = dict.fromkeys([*read, *conditions.names(where)])
        columns = dict.fromkeys(
            field.attname
            for each in names
            if "__" not in each or has_column(model, each)
            for field in fields_of(model, each)
        )
        more: dict[str, Any] = {"columns": list(columns), "reads": source.reads}
        dependency = Depends(source.on, **more | source.mapping)
        dependency.shows = [each for each in names if "__" in each and not has_column(model, each)]
        self.depends_on = [dependency]

    @property
    def _declared(self) -> AggregatePrimer:
        return cast("AggregatePrimer", self.primer)

    def _bind(self) -> None:
        _ = self.plan

    @cached_property
    def plan(self) -> Plan:
        """The declaration, bound. Raises InvalidPrimer."""
        model = cast("type[Model]", self._source.on)
        mapping = {}
        for name in (parameter.name for parameter in self.parameters):
            mapping[name] = Column(model, self._source.mapping[name]).attname
        where = Where(model, self._declared.where)
        bound = {name: aggregate.bind(model) for name, aggregate in self._aggregates.items()}
        return Plan(model, mapping, where, bound, Gathering(model, mapping, where, self.key_of))

    @cached_property
    def fingerprint(self) -> str:
        """A state is of use to the declaration alone that it was made by."""
        signatures = {name: aggregate.signature() for name, aggregate in self._aggregates.items()}
        where, mapping = (
            sorted(conditions.written(self._declared.where).items()),
            sorted(self._source.mapping.items()),
        )
        parts = (repr(self.version), repr(signatures), repr(where), repr(mapping))
        return fingerprint_of("aggregate", self.name, *parts, *form_of(self.parameters))

    @property
    def augmentable(self) -> bool:
        return True

    @property
    def compares(self) -> Iterable[Field[Any, Any]]:
        aggregates = self.plan.aggregates.values()
        return [*self.plan.where.compares, *chain(*(each.compares for each in aggregates))]

    # Computing

    def prime_one(self, parameters: Parameters) -> State:
        (state,) = self.prime_many([parameters])
        return cast("State", state.get() if isinstance(state, Computed) else state)

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any]:
        for each in parameters:
            self.primer.pre_prime(**each)
        answers: list[Any] = []
        for each, state in zip(parameters, self.gather(parameters), strict=True):
            if state.rows or not self._declared.absent_when_empty:
                self.primer.post_prime(self.show(state), **each)
                answers.append(state)
            else:
                nothing = ObjectDoesNotExist(f"{self.key_of(each)} has no rows.")
                answers.append(Computed(absent=nothing))
        return answers

    def gather(self, parameters: Sequence[Parameters]) -> list[State]:
        """The states of these keys, from the rows."""
        plan = self.plan
        gathered = plan.gathering.states(list(plan.aggregates.values()), parameters)
        return [State(rows, states) for rows, states in gathered]

    # Amending

    def amendable(self, body: bytes, shape: bytes | None) -> State:
        _, state, state_shape = stored_state.parts(shape)
        rows, states = encoding.decode(state, state_shape)
        bound = self.plan.aggregates.values()
        return State(
            rows, [aggregate.unpack(each) for aggregate, each in zip(bound, states, strict=True)]
        )

    def augment_with(self, value: State, changes: Iterable[Change], parameters: Parameters) -> Any:
        plan, key = self.plan, self.key_of(parameters)
        if plan.model._meta.parents:
            raise Reprime("a change tells of one of the row's tables only")
        try:
            for change in changes:
                for image, sign in ((change.old, -1), (change.new, 1)):
                    if image is not None and self._counts(image, key):
                        value.rows += sign
                        for index, aggregate in enumerate(plan.aggregates.values()):
                            if aggregate.where.holds(image):
                                value.states[index] = aggregate.change(
                                    value.states[index], image, sign
                                )
        except (KeyError, UnreadableValue):
            raise Reprime("the change lacks a column, or has what Python cannot hold") from None
        if value.rows < 0 or (not value.rows and self._declared.absent_when_empty):
            raise Reprime("no row is left")
        for index, aggregate in enumerate(plan.aggregates.values()):
            value.states[index] = aggregate.settle(value.states[index], value.rows)
        return value

    def _counts(self, image: Mapping[str, Any], key: str) -> bool:
        """Whether a row is one of the key's."""
        parameters = {name: image[column] for name, column in self.plan.mapping.items()}
        try:
            return self.key_of(parameters) == key and self.plan.where.holds(image)
        except KeyParameterMismatch:
            return False  # a NULL: the row is in no key

    # Storing and showing

    def show(self, value: Any) -> Any:
        """The value as readers, and hooks, see it."""
        if not isinstance(value, State):
            return value  # set by hand
        aggregates = self.plan.aggregates
        shown = {
            name: aggregate.show(state)
            for (name, aggregate), state in zip(aggregates.items(), value.states, strict=True)
        }
        return self._declared.present(shown)

    def encode(self, value: Any) -> encoding.Encoded:
        shown = encoding.encode(self.show(value))
        if not isinstance(value, State):
            return shown
        aggregates = self.plan.aggregates.values()
        packed = [
            aggregate.pack(each) for aggregate, each in zip(aggregates, value.states, strict=True)
        ]
        state = encoding.encode([value.rows, packed])
        return encoding.Encoded(shown.body, stored_state.join(shown.shape, state))

    def decode(self, body: bytes, shape: bytes | None) -> Any:
        return encoding.decode(body, stored_state.parts(shape)[0])

    def before_set(self, value: Any, parameters: Parameters) -> None:
        super().before_set(self.show(value), parameters)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        super().after_set(self.show(value), parameters)


def _source(name: str, primer: AggregatePrimer[Any]) -> Depends:
    """The declared source, as a dependency."""
    source: Any = primer.source
    declared = source if isinstance(source, Depends) else Depends(source)
    if declared.product is not None or declared.keys is not None or declared.columns is not None:
        raise InvalidPrimer(
            f"{name}: `source` is a model, or Depends(Model, parameter='column'); the columns that "
            "are read follow from `values` and `where`."
        )
    return declared
