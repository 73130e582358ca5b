"""Numbers and addresses as pages for operators write them."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()
NONE = "\N{EN DASH}"


@register.filter
def seconds(value: float | None) -> str:
    """A time in the unit that suits it; a dash for none."""
    if value is None:
        return NONE
    if value < 0.0995:
        return f"{value * 1000:.1f} ms"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.0f} h"


@register.filter
def count(value: int, exact: bool = True) -> str:
    """A number with its thousands apart; about, where it is not exact."""
    return f"{value:,}" if exact else f"≈ {value:,}"


@register.simple_tag(takes_context=True)
def querystring_with(context: Any, **parameters: str) -> str:
    """The query of this page's address, with some parameters changed."""
    query = context["request"].GET.copy()
    for name, value in parameters.items():
        query[name] = value
    return str(query.urlencode())
