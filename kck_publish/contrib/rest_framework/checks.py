"""System check (E101): views that answer from products, whose serializer is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.urls import URLPattern, get_resolver
from rest_framework.generics import GenericAPIView

from ...exceptions import ConfigurationError
from .serving import primer_of
from .views import CachedViewMixin

# Where another method stands, the serializer is told with the request.
_OF_CLASS = GenericAPIView.get_serializer_class


@checks.register(checks.Tags.urls)
def check_views(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Each view of the URL configuration whose serializer is known before a request."""
    errors: list[checks.CheckMessage] = []
    for view in dict.fromkeys(_views(get_resolver().url_patterns)):
        if not view.cached_reads or view.get_serializer_class is not _OF_CLASS:
            continue
        try:
            _check(view)
        except ConfigurationError as error:
            errors.append(checks.Error(str(error), obj=view, id="kck_publish.E101"))
    return errors


def _check(view: Any) -> None:
    """Raises ConfigurationError where the serializer, known before a request, is no product."""
    serializer = view.serializer_class
    if serializer is None and view.get_serializer is GenericAPIView.get_serializer:
        return  # it has none: it does not read
    primer = primer_of(view, serializer)
    if serializer not in (None, primer.serializer_class):
        raise ConfigurationError(
            f"{view.__name__} answers by {serializer.__name__}, and its primer {primer.__name__} "
            f"makes a product of {primer.serializer_class.__name__}. Name the primer of the "
            "view's serializer, or set cached_reads = False."
        )


def _views(patterns: Any) -> Iterator[Any]:
    for pattern in patterns:
        if not isinstance(pattern, URLPattern):
            yield from _views(pattern.url_patterns)
            continue
        view = getattr(pattern.callback, "cls", None)
        if isinstance(view, type) and issubclass(view, CachedViewMixin):
            yield view
