"""How figures are written: with their unit, short enough for a tile. Filters of the templates."""

from __future__ import annotations

from django import template

from .. import clock

register = template.Library()
NBSP = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"
_TIMES = ((86400, "d"), (3600, "h"), (60, "min"))
_SIZES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


@register.filter
def number(value: float | None) -> str:
    """``12,345``; ``1.23 M`` from a million on; a dash for None."""
    if value is None:
        return DASH
    if value >= 999_950:
        return f"{value / 1e6:,.2f}{NBSP}M"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


@register.filter
def duration(value: float | None) -> str:
    """Seconds as ``0.35 ms``, ``420 ms``, ``4.2 s``, ``12 min``, ``3.5 h``, ``2.1 d``."""
    if value is None:
        return DASH
    if value == 0:
        return f"0{NBSP}s"
    if value < 0.9995:
        milliseconds = value * 1000
        digits = 0 if milliseconds >= 99.5 else 1 if milliseconds >= 9.95 else 2
        return f"{milliseconds:.{digits}f}{NBSP}ms"
    if value < 60:
        return f"{value:.1f}{NBSP}s"
    for unit, name in _TIMES:
        if value >= unit:
            many = value / unit
            whole = many >= 10 or many == int(many)
            return f"{many:.0f}{NBSP}{name}" if whole else f"{many:.1f}{NBSP}{name}"
    raise AssertionError(value)


@register.filter
def size(value: float | None) -> str:
    """Bytes as ``512 B``, ``1.2 kB``, ``3.4 MB``."""
    if value is None:
        return DASH
    for unit, name in _SIZES:
        if value >= unit:
            return f"{value / unit:.1f}{NBSP}{name}"
    return f"{value:.0f}{NBSP}B"


@register.filter
def ago(at: float | None) -> str:
    """A time, in seconds since 1970, as ``3 min ago``: in whole units, so it rarely changes."""
    if at is None:
        return DASH
    passed = max(0.0, clock.now().timestamp() - at)
    for unit, name in _TIMES:
        if passed >= unit:
            return f"{int(passed // unit)}{NBSP}{name} ago"
    return "just now" if passed < 10 else f"{int(passed // 10) * 10}{NBSP}s ago"


@register.filter
def until(at: float | None) -> str:
    """A time to come, as ``in 3 min``."""
    if at is None:
        return DASH
    left = at - clock.now().timestamp()
    for unit, name in _TIMES:
        if left >= unit:
            return f"in {int(left // unit)}{NBSP}{name}"
    return "now" if left < 10 else f"in {int(left // 10) * 10}{NBSP}s"


@register.filter
def unlocalized(value: float | None) -> str:
    """A number as scripts read it, whatever the language; nothing for None."""
    return "" if value is None else repr(value)
