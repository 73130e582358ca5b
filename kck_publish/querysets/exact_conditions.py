"""Conditions of a query that Python can check of a row, for certain: else there is nothing to keep.

Unlike ``conditions``, which may say "maybe".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from django.db.models.lookups import Lookup
from django.db.models.sql.where import WhereNode

from ..aggregates.conditions import TESTS
from .kept_columns import Place, Places, Primed

# True, False, or None for SQL's "unknown".
Check = Callable[[Mapping[str, Any]], bool | None]
_ORDER = ("gt", "gte", "lt", "lte")


def sure(parts: Sequence[Any], places: Places, mapped: Collection[int] = ()) -> Check:
    """The check that a condition is.

    Args:
        parts: the same condition in all runs.
        mapped: the conditions on parameters, by ``id``: the key fulfils them.

    Raises:
        Primed: Python cannot tell, or it is not the same for all keys.
    """
    first = parts[0]
    if id(first) in mapped:
        return lambda image: True
    if isinstance(first, WhereNode):
        if first.connector not in ("AND", "OR"):
            raise Primed(f"a condition with {first.connector}")
        children = zip(*(part.children for part in parts), strict=True)
        checks = [sure(child, places, mapped) for child in children]
        return _joined(checks, first.connector == "OR", first.negated)
    name = getattr(first, "lookup_name", "")
    if not isinstance(first, Lookup) or not type(first).__module__.startswith("django.db.models."):
        raise Primed(f"the condition {type(first).__name__}")
    place, given = places.of(first.lhs), first.rhs
    if hasattr(given, "resolve_expression") or any(
        type(part.rhs) is not type(given) or part.rhs != given for part in parts
    ):
        raise Primed(f"what {place.label} is compared with is not the same for all keys")
    return _test(place, name, given)


def _test(place: Place, name: str, given: Any) -> Check:
    attname = place.attname
    if name == "isnull":
        return lambda image: (image[attname] is None) is given
    test, items = TESTS.get(name), [*given] if name == "in" else [given]
    if (
        test is None
        or (name in _ORDER and place.kind == "text")
        or not all(place.fits(item) and item == item for item in items)
    ):
        raise Primed(f"{name} of {place.label} is not the same for Python")
    known, right = test, items if name == "in" else given

    def check(image: Mapping[str, Any]) -> bool | None:
        value = image[attname]
        return None if value is None else bool(known(numbered(value), right))

    return check


def numbered(value: Any) -> Any:
    """A value that has its place among others. Raises TypeError for NaN."""
    if value != value:
        raise TypeError("NaN")
    return value


def _joined(checks: Sequence[Check], stops: bool, negated: bool) -> Check:
    def check(image: Mapping[str, Any]) -> bool | None:
        answers = [one(image) for one in checks]
        answer: bool | None = not stops
        if stops in answers:
            answer = stops
        elif None in answers:
            answer = None
        return answer if not negated or answer is None else not answer

    return check
