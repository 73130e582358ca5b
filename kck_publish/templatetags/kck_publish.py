"""``{% load kck_publish %}``: products in templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.core.exceptions import ObjectDoesNotExist
from django.template.context import Context
from django.utils.safestring import mark_safe

from ..primers.fragment import FragmentPrimer
from ..products import registry
from ..reading.read import answer_to
from ..reading.values import value_of

register = template.Library()


@register.simple_tag(takes_context=True)
def product(context: Context, name: str, /, **parameters: Any) -> Any:
    """A product's value: ``{% product "author_card" author=author.pk %}``, or ``... as card %}``.

    What a FragmentPrimer has rendered is put in as it is; any other value is escaped. Where there
    is none, the engine's ``string_if_invalid``.

    Raises:
        UnknownProduct, KeyParameterMismatch, NotPrimed: as ``.cached.get`` does.
    """
    wanted = registry.get(name)
    key = wanted.key_of(parameters)
    try:
        value = value_of(wanted, key, answer_to(wanted, key))
    except ObjectDoesNotExist:
        return context.template.engine.string_if_invalid if context.template else ""
    # Rendered by a template, which has escaped what it was given.
    return mark_safe(value) if issubclass(wanted.sender, FragmentPrimer) else value
