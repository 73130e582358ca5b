"""Exact sums: what was added can be taken away again, in any order, and nothing is left over.

A sum of a kind knows how to add and subtract a value, and how to be kept and shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

from ..exceptions import Reprime, Unserializable

# No numeric of PostgreSQL that a field can declare has more digits; and nothing is ever rounded.
_EXACT = Context(prec=4000, Emax=999_999, Emin=-999_999, traps=[Inexact, InvalidOperation])
_QUOTIENT = Context(prec=28)


class Whole:
    """Sums of integers and of durations: Python's own are exact."""

    def __init__(self, zero: Any) -> None:
        self.zero = zero

    def plus(self, total: Any, value: Any, times: int) -> Any:
        """The total with a value added so many times."""
        return total + value * times

    def shown(self, total: Any) -> Any:
        """The sum as a reader gets it."""
        return total

    def mean(self, total: Any, count: int) -> Any:
        """The sum's share, correctly rounded."""
        return total / count


class Decimals(Whole):
    """Sums of decimals, with as many digits as they take."""

    def __init__(self) -> None:
        super().__init__(Decimal(0))

    def plus(self, total: Decimal, value: Decimal, times: int) -> Decimal:
        if not (total.is_finite() and value.is_finite()):
            raise Reprime("NaN and infinity cannot be taken away again")
        return _EXACT.fma(value, times, total)

    def mean(self, total: Decimal, count: int) -> Decimal:
        return _QUOTIENT.divide(total, count)


class Floats(Whole):
    """Sums of floats as ``math.fsum`` gives them: kept exactly, rounded once when shown.

    The total is ``[numerator, power]``: numerator / 2**power.
    """

    def __init__(self) -> None:
        super().__init__([0, 0])

    def plus(self, total: list[int], value: float, times: int) -> list[int]:
        if not math.isfinite(value):
            hint = "its sum is no number; leave such rows out by `where`."
            raise Unserializable(f"a column of {value!r}", "float", hint)
        numerator, denominator = value.as_integer_ratio()
        power = denominator.bit_length() - 1
        most = max(total[1], power)
        sum_ = (total[0] << (most - total[1])) + ((numerator * times) << (most - power))
        if not sum_:
            return [0, 0]
        even = min((sum_ & -sum_).bit_length() - 1, most)  # lowest terms: one form for one number
        return [sum_ >> even, most - even]

    def shown(self, total: list[int]) -> float:
        return self.mean(total, 1)

    def mean(self, total: list[int], count: int) -> float:
        try:
            return total[0] / (count << total[1])
        except OverflowError:
            hint = "leave rows out by `where`, or use a DecimalField."
            raise Unserializable("a sum beyond the largest float", "float", hint) from None


BY_KIND: dict[str, Whole] = {
    "integer": Whole(0),
    "duration": Whole(timedelta(0)),
    "decimal": Decimals(),
    "float": Floats(),
}


def total(kind: str, counts: Iterable[tuple[Any, int]]) -> Any:
    """The sum of values that each come so many times."""
    sums = BY_KIND[kind]
    running = sums.zero
    for value, times in counts:
        running = sums.plus(running, value, times)
    return running
