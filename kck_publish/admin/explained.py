"""A key explained: its inputs, what waits, its dependents, its history; and, apart, its value."""

from __future__ import annotations

from datetime import timedelta
from pprint import pformat
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern

from .. import clock, stores
from ..conf import settings
from ..exceptions import KeyParameterMismatch, UnknownProduct
from ..log.keys import product_of
from ..models import FailedKey, History
from ..ops.explain import explain
from ..ops.show_value import may_be_shown
from ..products import encoding, registry
from ..reading import manual_values
from .page import Page
from .rights import may_operate, may_see_messages, may_see_value

# How far the history of a key's product is shown, and how many acts of operators.
SHOWN, ACTS = timedelta(hours=1), 50


class ExplainedKeys(Page):
    """What is shown of one key. (Its address is Django's for an object, as its log has it.)"""

    def addresses_of_keys(self) -> list[URLPattern]:
        """The addresses of one key, which is quoted as the admin does it."""
        return [
            self.address("<path:object_id>/change/", self.explained, "change"),
            self.address("<path:object_id>/history/", self.key_history, "history"),
            self.address("<path:object_id>/value/", self.value, "value"),
        ]

    def explained(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What ``kck_explain`` knows; by POST, an act on the key."""
        key = _key(object_id)
        if request.method == "POST":
            return self.changelist_view(request)
        try:
            explanation = explain(key)
        except (UnknownProduct, KeyParameterMismatch) as error:
            raise Http404(str(error)) from error
        context = {
            "explanation": explanation,
            "title": key,
            "sees_value": may_see_value(request, registry.find(key)),
            "sees_messages": may_see_messages(request) and may_be_shown(registry.find(key)),
            "acts": self.acts() if explanation.stored and may_operate(request) else {},
        }
        return self.render(request, "explained.html", context)

    def key_history(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What operators did with the key, and what was done for its product."""
        key = _key(object_id)
        models = [self.model, FailedKey]
        pages = ContentType.objects.get_for_models(*models).values()
        acts = LogEntry.objects.filter(content_type__in=pages, object_id=key)
        minutes = History.objects.using(settings.DATABASE).filter(
            product=product_of(key), minute__gte=clock.now() - SHOWN
        )
        context = {
            "key": key,
            "title": f"History of {key}",
            "done": acts.select_related("user").order_by("-action_time")[:ACTS],
            "minutes": minutes.order_by("-minute"),
        }
        return self.render(request, "history.html", context)

    def value(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The stored value, as it is; nothing is primed.

        Raises:
            PermissionDenied: for whoever may not see values, or not this product's.
        """
        key = _key(object_id)
        product = registry.find(key)
        if not may_see_value(request, product):
            raise PermissionDenied
        store = stores.current()
        with connections[store.alias].cursor() as cursor:
            entries = store.look(cursor, [manual_values.address_of(product, key)]).entries
        if key not in entries:
            raise Http404(f"Nothing is stored under {key} by this code.")
        context = {"key": key, "title": key, "value": _text(product, entries[key])}
        return self.render(request, "value.html", context)


def _key(object_id: str) -> str:
    key = unquote(object_id)
    if not key or "\0" in key:
        raise Http404("That is no key.")
    return key


def _text(product: Any, stored: stores.Stored) -> str:
    """The value as Python writes it: types are seen."""
    if stored.body is None:
        return "There is none: that is the stored answer."
    decode = product.decode if product else encoding.decode
    value = decode(stored.body, stored.shape)
    fields = getattr(value, "_meta", None)
    if fields is not None:  # a row
        value = {field.attname: value.__dict__.get(field.attname) for field in fields.fields}
    return pformat(value, width=100, sort_dicts=False)
