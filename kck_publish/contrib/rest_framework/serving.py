"""Which product answers a view's request, if one does; else the view goes the plain way."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from django.conf import settings as django_settings
from django.utils import timezone, translation
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.settings import api_settings

from ...conf import settings
from ...exceptions import ConfigurationError
from ...products import registry
from ...products.graph import Graph
from .primers import SerializerPrimer
from .products import USER, SerializerProduct


def primer_of(view: Any, serializer: type[Any] | None) -> type[SerializerPrimer]:
    """The primer of a view's serializer; None for a serializer that the view does not tell.

    Raises:
        ConfigurationError: it is not told, or cannot be.
    """
    if view.primer is not None:
        return cast("type[SerializerPrimer]", view.primer)
    kind = view if isinstance(view, type) else type(view)
    for method in ("get_serializer", "get_serializer_context"):
        if getattr(kind, method) is not getattr(GenericAPIView, method):
            raise ConfigurationError(
                f"{kind.__name__} has a {method} of its own, which a product does not call. If its "
                "answers do not depend on it, say so by naming the primer: primer = ...; else "
                "set cached_reads = False."
            )
    name = getattr(serializer, "__name__", "its serializer")
    primers = [] if serializer is None else _primers().get(serializer, [])
    if len(primers) == 1:
        return primers[0]
    names = ", ".join(primer.__name__ for primer in primers)
    raise ConfigurationError(
        f"{kind.__name__}: several primers make a product of {name} ({names}). Name "
        "one on the view: primer = ..."
        if primers
        else f"{kind.__name__}: no primer makes a product of {name}. Declare one in "
        f"an installed app's primers.py: class {name}Primer(SerializerPrimer) with "
        f"a key and serializer_class = {name}; or set cached_reads = False."
    )


# Who makes a product of a serializer, with the graph that tells it.
_known: tuple[Graph | None, dict[type[Any], list[type[SerializerPrimer]]]] = (None, {})


def _primers() -> dict[type[Any], list[type[SerializerPrimer]]]:
    global _known
    graph, known = registry.graph(), _known
    if known[0] is not graph:
        by_serializer: dict[type[Any], list[type[SerializerPrimer]]] = defaultdict(list)
        for product in graph.products.values():
            if isinstance(product, SerializerProduct):
                primer = type(product.primer)
                by_serializer[primer.serializer_class].append(primer)
        known = _known = (graph, by_serializer)
    return known[1]


def product_for(view: Any) -> SerializerProduct | None:
    """The product that answers this request; None for the plain way.

    Raises:
        ConfigurationError: the view's serializer is no product.
    """
    request = view.request
    if request.method not in ("GET", "HEAD"):
        return None
    if isinstance(request.accepted_renderer, BrowsableAPIRenderer):
        return None  # its forms want the serializer
    return product_of(view)


def product_of(view: Any) -> SerializerProduct | None:
    """The product that answers reads of this view, asked for as this request is.

    Raises:
        ConfigurationError: the view's serializer is no product.
    """
    if not (settings.ENABLED and view.cached_reads):
        return None
    serializer = view.get_serializer_class() if tells_serializer(type(view)) else None
    primer = primer_of(view, serializer)
    if serializer not in (None, primer.serializer_class):
        return None  # this request is answered by another serializer than the primer's
    product = cast("SerializerProduct", registry.get(primer.key))
    if product.field_reads.opaque and getattr(view, "format_kwarg", None) is not None:
        return None  # a method of the serializer may look at the format
    if product.field_reads.worded and not _in_own_language():
        return None
    if product.field_reads.zoned and not _in_own_zone():
        return None
    if product.primer.base_url is not None and not _is_at(product.primer.base_url, view):
        return None
    return product


def tells_serializer(kind: Any) -> bool:
    """Whether a view says by which serializer it answers; some have get_serializer alone."""
    own = kind.get_serializer_class is not GenericAPIView.get_serializer_class
    return own or getattr(kind, "serializer_class", None) is not None


def user_of(product: SerializerProduct, request: Any) -> dict[str, Any]:
    """The parameters that tell one user's values from another's."""
    if not product.primer.per_user:
        return {}
    return {USER: request.user.pk if request.user.is_authenticated else None}


def _in_own_language() -> bool:
    """Whether the active language is the one that products are computed in."""
    active, own = translation.get_language(), django_settings.LANGUAGE_CODE
    if active is None or active.lower() == own.lower():
        return active is not None
    try:  # LocaleMiddleware activates "en" where the setting says "en-us"
        return active == translation.get_supported_language_variant(own)
    except LookupError:
        return False


def _in_own_zone() -> bool:
    """Whether the active time zone is the one that products are computed in."""
    if timezone.get_current_timezone() is timezone.get_default_timezone():
        return True
    return timezone.get_current_timezone_name() == timezone.get_default_timezone_name()


def _is_at(base_url: str, view: Any) -> bool:
    """Whether URLs made for this request would be those of the product."""
    request = view.request
    return (
        request.build_absolute_uri("/").startswith(base_url.rstrip("/") + "/")
        and getattr(request, "versioning_scheme", None) is None
        and getattr(view, "format_kwarg", None) is None
        and api_settings.URL_FORMAT_OVERRIDE not in request.query_params
    )
