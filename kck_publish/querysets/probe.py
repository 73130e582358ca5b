"""Running ``queryset`` without a database, with values that stand for its parameters.

It is run several times with values that differ: a place in the query where they turn up is that of
a parameter, one that stays the same is a constant, and anything else is derived from parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.db import connections
from django.db.models import QuerySet
from django.db.models.sql import Query
from django.db.models.sql.constants import MULTI

from ..conf import settings
from ..exceptions import InvalidPrimer
from ..products.parameters import (
    BooleanParameter,
    DateParameter,
    DateTimeParameter,
    IntegerParameter,
    Parameter,
    StringParameter,
    UUIDParameter,
)
from ..rows.run_at_start import QueriedAtStartError, no_queries

RUNS = 4
# What a text may have to be, where it is compared with a column of another type.
_TEXTS: Sequence[Callable[[int], str]] = (
    "kck-{}".format,
    str,
    lambda n: str(UUID(int=n)),
    lambda n: (date(1990, 1, 1) + timedelta(n % 9000)).isoformat(),
    lambda n: str(IPv4Address(n)),
    lambda n: (datetime(1990, 1, 1) + timedelta(seconds=n)).time().isoformat(),
)


@dataclass(frozen=True)
class Run:
    """One run of ``queryset``.

    Attributes:
        given: the parameters.
        answer: what it returned.
        asked: the queries that it would have executed.
    """

    given: Mapping[str, Any]
    answer: Any
    asked: Sequence[Query]

    @property
    def queries(self) -> list[Query]:
        """What the value comes from."""
        return [self.answer.query] if isinstance(self.answer, QuerySet) else list(self.asked)


def runs(
    name: str, parameters: Sequence[Parameter], queryset: Callable[..., Any], none: Sequence[str]
) -> list[Run]:
    """The runs with stand-ins, the first of them once more at the end.

    Args:
        name: of the product.
        parameters: in the order of the key.
        queryset: the user's method.
        none: the parameters that are None.

    Raises:
        InvalidPrimer: it cannot be run so.
    """
    why: Exception = InvalidPrimer(name)
    for text in _TEXTS:
        try:
            given = [
                {
                    one.name: None if one.name in none else _stand_in(one, place, number, text)
                    for place, one in enumerate(parameters)
                }
                for number in range(RUNS)
            ]
            made = [run(name, queryset, each) for each in [*given, given[0]]]
            for query in (query for each in made for query in each.queries):
                # Some values are looked at when they are sent.
                query.get_compiler(settings.DATABASE, elide_empty=False).as_sql()
            return made
        except InvalidPrimer:
            raise
        except Exception as error:  # noqa: BLE001 - the user's code, and Django's of its values
            why = error
    raise InvalidPrimer(
        f"{name}: queryset() could not be run with parameters of its types "
        f"({type(why).__name__}: {why}). It has to give a queryset without looking at the database "
        "and for all parameters; else write a Primer."
    ) from why


def run(name: str, queryset: Callable[..., Any], given: Mapping[str, Any]) -> Run:
    """One run without a database. Raises InvalidPrimer."""
    try:
        with no_queries(), recorded() as asked:
            answer = queryset(**given)
    except QueriedAtStartError:
        raise InvalidPrimer(
            f"{name}: queryset() queries the database in a way that cannot be followed; give a "
            "queryset, or write a Primer."
        ) from None
    if not isinstance(answer, QuerySet) and len(asked) != 1:
        raise InvalidPrimer(
            f"{name}: queryset() has to return a queryset, or its count(), exists(), first() or "
            f"aggregate(); it returned a {type(answer).__name__} after {len(asked)} queries."
        )
    if isinstance(answer, QuerySet) and asked:
        raise InvalidPrimer(
            f"{name}: queryset() executes a query before it returns another one; nest them "
            "(pk__in=queryset), or write a Primer."
        )
    return Run(given, answer, asked)


def answered(
    queryset: Callable[..., Any], given: Mapping[str, Any], row: tuple[Any, ...] | None, found: bool
) -> Any:
    """The answer of a run in which the database gives one row of these values, or finds any."""
    with no_queries(), recorded(row, found):
        return queryset(**given)


@contextmanager
def recorded(row: tuple[Any, ...] | None = None, found: bool = False) -> Iterator[list[Query]]:
    """Queries of this thread are noted within the block, and find nothing, or one row."""
    asked: list[Query] = []
    operations = connections[settings.DATABASE].ops
    compiler = operations.compiler

    def recording(kind: str) -> Any:
        base: Any = compiler(kind)

        class Recording(base):  # type: ignore[misc]
            def execute_sql(self, result_type: str = MULTI, *args: Any, **options: Any) -> Any:
                asked.append(self.query)
                self.pre_sql_setup()
                return iter([]) if result_type == MULTI else row

            def has_results(self) -> bool:
                asked.append(self.query)
                return found

        return Recording

    vars(operations)["compiler"] = recording
    try:
        yield asked
    finally:
        del vars(operations)["compiler"]


def _stand_in(parameter: Parameter, place: int, run: int, text: Callable[[int], str]) -> Any:
    number = 20_011 + 401 * place + run
    kinds: Mapping[type[Parameter], Callable[[], Any]] = {
        IntegerParameter: lambda: number,
        BooleanParameter: lambda: bool((place % 14 + 1) >> run & 1),
        DateParameter: lambda: date(1990, 1, 1) + timedelta(number % 9000),
        DateTimeParameter: lambda: (
            datetime(1990, 1, 1, tzinfo=UTC if django_settings.USE_TZ else None)
            + timedelta(number % 9000)
        ),
        UUIDParameter: lambda: UUID(int=number),
        StringParameter: lambda: text(number),
    }
    for kind, make in kinds.items():
        if isinstance(parameter, kind):
            return make()
    for value in (number, text(number)):  # of a kind of the project's own
        try:
            return parameter.clean(value)
        except Exception:  # noqa: BLE001 - it takes something else
            continue
    raise InvalidPrimer(f"nobody knows a value that {parameter.name} takes")
