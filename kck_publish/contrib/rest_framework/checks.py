"""System check (E101): views that answer from products, whose serializer is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.urls import URLPattern, get_resolver

from ...exceptions import ConfigurationError
from .serving import primer_of
from .views import CachedViewMixin


@checks.register(checks.Tags.urls)
def check_views(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Each view of the URL configuration whose serializer is known before a request."""
    found: list[checks.CheckMessage] = []
    for view in dict.fromkeys(_views(get_resolver().url_patterns)):
        serializer = getattr(view, "serializer_class", None)
        if not getattr(view, "cached_reads", True) or (serializer is None and view.primer is None):
            continue
        if "get_serializer_class" in {
            name
            for one in view.__mro__[:-1]
            for name in vars(one)
            if not one.__module__.startswith("rest_framework.")
        }:
            continue  # it is told with the request
        try:
            primer_of(view, serializer or object)
        except ConfigurationError as error:
            found.append(checks.Error(str(error), obj=view, id="kck_publish.E101"))
    return found


def _views(patterns: Any) -> Iterator[Any]:
    for one in patterns:
        if not isinstance(one, URLPattern):
            yield from _views(one.url_patterns)
            continue
        view = getattr(one.callback, "cls", None)
        if isinstance(view, type) and issubclass(view, CachedViewMixin):
            yield view
