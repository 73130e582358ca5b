"""``{% load kck_publish %}``: products in templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.core.exceptions import ObjectDoesNotExist
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from .. import stores
from ..conf import settings
from ..exceptions import ConfigurationError
from ..primers.fragment import FragmentPrimer
from ..products import registry, rights
from ..reading.read import answer_to
from ..reading.values import value_of
from ..stores import Stored

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


_SCRIPT = "kck_publish.live"


@register.simple_tag(takes_context=True)
def live(context: Context, name: str, /, **parameters: Any) -> SafeString:
    """A FragmentPrimer's value, kept true in the page: ``{% live "card" author=author.pk %}``.

    Without scripts it is what was rendered. Where there is no value, the element is empty until
    there is one.

    Raises:
        ConfigurationError: it is no FragmentPrimer, or its ``live`` says that nobody may see it.
        UnknownProduct, KeyParameterMismatch, NotPrimed: as ``.cached.get`` does.
    """
    wanted = registry.get(name)
    if not issubclass(wanted.sender, FragmentPrimer):
        raise ConfigurationError(f"{name} is no FragmentPrimer: {{% live %}} takes no other.")
    if not rights.says(wanted.live):
        raise ConfigurationError(f"{name} says nobody may see it live: give it live = Public, ...")
    key = wanted.key_of(parameters)
    content, version = "", 0
    try:
        answer = answer_to(wanted, key)
        content = mark_safe(value_of(wanted, key, answer))  # as a template has rendered it
        # In a cache the value's own version is not that of its row, which streams tell.
        if isinstance(answer, Stored) and stores.current().transactional:
            version = answer.version
    except ObjectDoesNotExist:
        pass
    element = format_html(
        '<kck-live key="{}" version="{}" src="{}">{}</kck-live>',
        key,
        version,
        settings.LIVE_URL,
        content,
    )
    # Once a page; a module is run once however often it is named, as from an included template.
    if context.render_context.get(_SCRIPT):
        return element
    context.render_context[_SCRIPT] = True
    script = static("kck_publish/live.js")
    return format_html('{}<script type="module" src="{}"></script>', element, script)
