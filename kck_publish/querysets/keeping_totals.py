"""How a number is kept that ``queryset`` gives: what it asks for is found out by answering it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings as django_settings
from django.db.models.expressions import Value

from .kept import Source
from .kept_columns import Places, Primed
from .kept_totals import KeptTotals
from .plan import Form
from .probe import answered
from .totals import Total, total

_ANSWERS: Mapping[str, Callable[[int], Any]] = {
    "integer": int,
    "decimal": Decimal,
    "duration": lambda number: timedelta(seconds=number),
    "date": date.fromordinal,
    "time": lambda number: time(number % 24, number % 60),
    "datetime": lambda number: datetime(
        number % 9000 + 1, 1, 1, tzinfo=UTC if django_settings.USE_TZ else None
    ),
}


def kept_totals(
    form: Form,
    source: Source,
    places: Places,
    selects: Sequence[Sequence[Any]],
    queryset: Callable[..., Any],
) -> KeptTotals:
    """How what ``queryset`` gives is kept, if it is just what the database answers.

    Args:
        selects: what each run selects.

    Raises:
        Primed: it is not, or cannot be kept.
    """
    query, given, selected = places.main.query, form.run.given, selects[0]
    if query.low_mark or query.group_by is not None:
        raise Primed("it asks for a number of a slice, or of groups")
    if len(selected) == 1 and type(selected[0]) is Value:
        if [answered(queryset, given, None, found) for found in (True, False)] != [True, False]:
            raise Primed("queryset() makes something of what it asks for")
        return KeptTotals(source, places, [], lambda rows, shown: rows > 0)
    if query.high_mark is not None:
        raise Primed("it asks for a number of a slice")
    totals = [total([each[number] for each in selects], places) for number in range(len(selected))]
    names = list(query.annotation_select)
    rows = [
        tuple(_answer(one, 700_001 + 13 * run + n) for n, one in enumerate(totals))
        for run in range(2)
    ]
    answers = [answered(queryset, given, row, False) for row in rows]
    if answers == [dict(zip(names, row, strict=True)) for row in rows]:
        return KeptTotals(source, places, totals, lambda _, shown: dict(zip(names, shown)))  # noqa: B905
    if [(answer,) for answer in answers] == rows and type(answers[0]) is type(rows[0][0]):
        return KeptTotals(source, places, totals, lambda _, shown: shown[0])
    raise Primed("queryset() makes something of what it asks for")


def _answer(one: Total, number: int) -> Any:
    place = getattr(one.machine, "column", None)
    kind = "integer" if place is None or type(one.machine).__name__ == "Count" else place.kind
    return _ANSWERS[kind](number)
