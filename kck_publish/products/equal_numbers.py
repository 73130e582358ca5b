"""The one form of equal numbers, exact whatever the precision of the context."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

# Room for every number, so that nothing is rounded.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
# What PostgreSQL's numeric can hold: digits before the decimal point, and after it.
_BEFORE, _AFTER = 131_072, 16_383


def plain_decimal(value: Decimal) -> Decimal:
    """1.5 for 1.50, and 0 for -0.0; NaN and the infinities as they are."""
    if not value.is_finite():
        return value
    return value.normalize(_EXACT) if value else Decimal(0)


def plain_float(value: float) -> float:
    """0.0 for -0.0."""
    return value + 0.0


def fits_numeric(value: Decimal) -> bool:
    """Whether a numeric column can hold a number; a signalling NaN it cannot."""
    if not value.is_finite():
        return not value.is_snan()
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return value.adjusted() < _BEFORE and exponent >= -_AFTER
