"""AggregatePrimer: aggregates of the rows of a source, kept up without an augment of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, cast, get_args, is_typeddict

from django.db.models import Model

from ..exceptions import InvalidPrimer
from ..primers.base import Primer
from ..products import registry
from ..products.depends import Depends
from ..products.product import Parameters
from ..products.value_types import DictValue
from ..public_names import public_in
from . import conditions
from .base import Aggregate
from .product import AggregateProduct


@public_in("kck_publish.aggregates")
class AggregatePrimer(Primer, Generic[DictValue]):
    """A product of aggregates: what SQL would give with GROUP BY, amended change by change.

    Its value is a dict with what each aggregate shows; for type checkers ``dict[str, Any]``, or the
    type in brackets: a TypedDict of the same names, or what ``present`` gives. ``compute``,
    ``compute_many``, ``augment`` and ``domain`` follow from the declaration, and so do the columns
    that are captured.

    Attributes:
        source: ``Depends(Model, parameter="column", ...)`` with every parameter of the key, or the
            model itself where there is none. Columns may be lookup paths of foreign keys, here, in
            ``values`` and in ``where``.
        values: by name, the aggregates.
        where: conditions on the rows that count: ``{"delay__isnull": False}``.
        absent_when_empty: whether a key without rows does not exist (readers get
            ``ObjectDoesNotExist``, and it is not stored); else it counts 0 rows.

    Raises:
        InvalidPrimer: where it is declared, for what could not be kept up exactly.
    """

    source: ClassVar[Depends | type[Model]]
    values: ClassVar[Mapping[str, Aggregate]] = {}
    where: ClassVar[Mapping[str, Any]] = {}
    absent_when_empty: ClassVar[bool] = False

    @classmethod
    def _announce(cls) -> None:
        if not hasattr(cls, "source") or not cls.values:
            raise InvalidPrimer(f"{cls.key}: an AggregatePrimer needs `source` and `values`.")
        values: object = cls.values
        listed = list(values.values()) if isinstance(values, Mapping) else [values]
        for value in listed:
            if not isinstance(value, Aggregate):
                raise InvalidPrimer(
                    f"{cls.key}: `values` is a dict of aggregates from kck_publish, as "
                    f'{{"rows": Count()}}; {value!r} is none.'
                )
        conditions.written(cls.where)
        written = [
            name for name in _DERIVED if getattr(cls, name) is not getattr(AggregatePrimer, name)
        ]
        if written:
            raise InvalidPrimer(
                f"{cls.key}: {', '.join(written)} cannot be written on an AggregatePrimer; give "
                "the value another form in present(), or write a Primer."
            )
        if cls.present is AggregatePrimer.present:
            _check_named_type(cls)
        cls._register(AggregateProduct(cls()))

    def present(self, values: dict[str, Any]) -> DictValue:
        """The value, from what the aggregates show.

        A function of ``values`` alone: it may not query. Raise ``version`` when it changes.
        """
        return cast("DictValue", values)

    def compute(self, *args: Any, **parameters: Any) -> DictValue:
        """The value, from the rows."""
        (value,) = self.compute_many([parameters])
        return value

    def compute_many(self, parameters: Sequence[Parameters], **options: Any) -> list[DictValue]:
        """The values of several keys, in as many queries as for one."""
        product = self._product()
        return [product.show(state) for state in product.gather(parameters)]

    def augment(self, *args: Any, **parameters: Any) -> Any:
        """Done by the product, on the states that are kept beside the value."""
        raise NotImplementedError

    def domain(self) -> Iterable[Parameters]:
        """The parameters of every key that has a row."""
        return self._product().plan.gathering.members()

    def _product(self) -> AggregateProduct:
        product = registry.get(type(self).key)
        assert isinstance(product, AggregateProduct)
        return product


_DERIVED = ("compute", "compute_many", "augment")


def _check_named_type(cls: type[AggregatePrimer[Any]]) -> None:
    """See that a TypedDict in brackets has the names of the values. Raises InvalidPrimer."""
    for base in getattr(cls, "__orig_bases__", ()):
        for named in filter(is_typeddict, get_args(base)):
            if set(named.__annotations__) != set(cls.values):
                raise InvalidPrimer(
                    f"{cls.key}: {named.__name__} has the names "
                    f"{', '.join(sorted(named.__annotations__))}, and `values` has "
                    f"{', '.join(sorted(cls.values))}: name each value in it, and nothing else."
                )
