"""Whether ``queryset`` gave a query of a form whose dependencies were read at start.

A query is known by its SQL without its values. The values that are the same for all parameters are
conditions that decide which rows matter: a run that has another one there is refused, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from ..conf import settings
from ..products.product import Parameters
from .plan import Form, reading_of
from .probe import Run, run

# A list of values, which may be of any length, or a value; and what stands for a per cent sign.
_PLACES = re.compile(r"\((?:%s, )*%s\)|%s|%%")


# With its values.
Statement = tuple[str, Sequence[Any]]


@contextmanager
def watched(connection: BaseDatabaseWrapper) -> Iterator[list[Statement]]:
    """The statements that the block executes, with their values."""
    executed: list[Statement] = []

    def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        executed.append((str(sql), params or ()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield executed


class KnownForms:
    """The forms of one product's query, each with the values that are the same for all parameters.

    Args:
        name: the product's.
        forms: those that were read.
        queryset: the user's method.
        one: whether the first row alone is asked for.
    """

    def __init__(
        self, name: str, forms: Sequence[Form], queryset: Callable[..., Any], one: bool
    ) -> None:
        self._name = name
        self._one = one
        self._queryset = queryset
        self._forms = forms
        self._by_signature = {
            tuple(form.signature): _constants([notes.values for notes in form.read])
            for form in forms
        }

    @cached_property
    def _by_text(self) -> dict[str, dict[int, Any]]:
        """The same by the SQL of each form."""
        found: dict[str, dict[int, Any]] = {}
        for form in self._forms:
            texts = [self._text_of(each) for each in form.runs]
            found[texts[0][0]] = _constants([values for _, values in texts])
        return found

    def fits(self, parameters: Parameters) -> bool:
        """Whether a run for these parameters gives the query that was read, and its constants.

        Raises:
            InvalidPrimer: it cannot be run for them without a database.
        """
        made = run(self._name, self._queryset, parameters)
        return self._has(*self._text_of(made)) or False

    def allow(self, parameters: Parameters, answer: Any, executed: Sequence[Statement]) -> bool:
        """Whether a run has one of the forms, with its constants.

        Args:
            answer: what ``queryset`` returned.
            executed: the statements that the value comes from, the query's own first.

        Raises:
            InvalidPrimer: it cannot be run for these parameters without a database.
        """
        if executed and not _has_prefetches_of_its_own(answer):
            has = self._has(*_placed(*executed[0], _prefetched(answer)))
            if has is not None:
                return has
        # Another text, none (for a list that is empty), or queries beside it: gone through again.
        made = (
            Run(parameters, answer, ())
            if isinstance(answer, QuerySet)
            else run(self._name, self._queryset, parameters)
        )
        notes = reading_of(made)
        constants = self._by_signature.get(tuple(notes.signature))
        return constants is not None and _hold(constants, notes.values)

    def _has(self, text: str, values: Sequence[Any]) -> bool | None:
        """Whether a query has the constants of the form with its text; None for another text."""
        constants = self._by_text.get(text)
        return None if constants is None else _hold(constants, values)

    def _text_of(self, made: Run) -> tuple[str, Sequence[Any]]:
        """The SQL of a run's query, and its values."""
        (query,) = made.queries
        if self._one and isinstance(made.answer, QuerySet):
            query = made.answer[:1].query
        # One that finds nothing (pk__in=[]) has a text as well.
        sql, given = query.get_compiler(settings.DATABASE, elide_empty=False).as_sql()
        return _placed(sql, given, _prefetched(made.answer))


def _prefetches(answer: Any) -> Sequence[Any]:
    found: Sequence[Any] = getattr(answer, "_prefetch_related_lookups", ())
    return found


def _has_prefetches_of_its_own(answer: Any) -> bool:
    return any(getattr(each, "queryset", None) is not None for each in _prefetches(answer))


def _prefetched(answer: Any) -> str:
    """What is fetched beside the rows of a query, which its SQL does not say."""
    return " ".join(getattr(each, "prefetch_to", each) for each in _prefetches(answer))


def _constants(runs: Sequence[Sequence[Any]]) -> dict[int, Any]:
    """The values that all runs have, by their place."""
    first, *others = runs
    return {
        place: value
        for place, value in enumerate(first)
        if all(values[place] == value for values in others)
    }


def _hold(constants: dict[int, Any], values: Sequence[Any]) -> bool:
    return all(values[place] == value for place, value in constants.items())


def _placed(sql: str, given: Sequence[Any], beside: str) -> tuple[str, Sequence[Any]]:
    """A statement with what is beside it, and its values; a list of any length is one value."""
    left, values = iter(given), []

    def taken(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return found[0]
        values.append(tuple(islice(left, found[0].count("%s"))))
        return "(%s)" if found[0].startswith("(") else "%s"

    return f"{_PLACES.sub(taken, sql)} {beside}", values
