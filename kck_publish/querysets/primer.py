"""QuerySetPrimer: a product that is declared by its queryset, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..exceptions import InvalidPrimer
from ..primers.base import Primer
from ..primers.product import unwritten
from ..products import registry
from ..public_names import public_in
from .product import QuerySetProduct


def follows(method: Any) -> Any:
    """Marks a method that follows from the declaration."""
    method.follows = True
    return method


@public_in("kck_publish")
class QuerySetPrimer(Primer):
    """A product of what a queryset gives: dicts, tuples, scalars or instances.

    What it depends on is read from the query: its tables and joins, the columns that it selects,
    orders, filters and annotates by, and which of its conditions are on parameters.

    Type checkers infer the value from what ``queryset`` is said to return: ``list[Book]`` of
    ``QuerySet[Book]``. With ``one: Literal[True] = True`` they infer the row.

    Attributes:
        one: True: the value is the first row; without one the product does not exist.
        reserve: rows to be kept beyond a slice.

    Raises:
        InvalidPrimer: where it is declared, for a queryset that cannot be followed.
    """

    if not TYPE_CHECKING:  # so that a literal says to type checkers that there is one row
        one = False
    reserve: ClassVar[int | None] = None

    @classmethod
    def _announce(cls) -> None:
        if cls.queryset is QuerySetPrimer.queryset:
            raise InvalidPrimer(f"{cls.key}: write queryset(self, ...).")
        declared: Any = cls
        if not isinstance(declared.one, bool):
            raise InvalidPrimer(f"{cls.key}: one is True or False, not {declared.one!r}.")
        if cls.reserve is not None and (type(cls.reserve) is not int or cls.reserve < 0):
            raise InvalidPrimer(
                f"{cls.key}: reserve is a number of rows from 0 on, or None, not {cls.reserve!r}."
            )
        cls._register(QuerySetProduct(cls()))

    @unwritten
    def queryset(self, *args: Any, **parameters: Any) -> Any:
        """``queryset(**parameters)``: the queryset, or what it counts, has, or has first.

        It is run without a database when Django starts, and must give one form of query for all
        parameters.
        """
        raise NotImplementedError

    @follows
    def compute(self, *args: Any, **parameters: Any) -> Any:
        """The value, from the rows. A method of your own may make another value of it."""
        product = registry.get(type(self).key)
        assert isinstance(product, QuerySetProduct)
        return product.compute(parameters)
