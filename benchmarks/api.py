"""An API of books, each with its author and its reviews: plain DRF, and the same with products.

The plain one is as its authors advise: ``select_related`` and ``prefetch_related`` for what is
nested, a page of 100. The other is the same view with CachedViewMixin before it; a third has its
list from a product, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import pagination, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from benchmarks.api_primers import BookKeys
from benchmarks.models import Book
from benchmarks.serializers import BookSerializer
from kck_publish.contrib.rest_framework import CachedViewMixin


class Hundred(pagination.PageNumberPagination):
    """Pages of 100."""

    page_size = 100


class PlainBooks(viewsets.ReadOnlyModelViewSet):
    """Plain DRF."""

    queryset = Book.objects.select_related("author").prefetch_related("reviews").order_by("pk")
    serializer_class = BookSerializer
    pagination_class = Hundred


def _urls(name: str, views: Any) -> list[Any]:
    return [
        path(f"{name}/<int:pk>/", views.as_view({"get": "retrieve"})),
        path(f"{name}/", views.as_view({"get": "list"})),
    ]


class CachedBooks(CachedViewMixin, PlainBooks):
    """With products."""


class ListedBooks(CachedBooks):
    """And which there are is one, too."""

    def list_pks(self, queryset: QuerySet[Book]) -> Sequence[int]:
        """The primary keys of the list."""
        found: list[int] = BookKeys.cached.get()
        return found


class ConstantBooks(PlainBooks):
    """What the framework itself costs: it answers, and nothing is looked for."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The same answer always."""
        return Response({"id": 7})


urlpatterns = [
    *_urls("constant-drf", ConstantBooks),
    *_urls("plain", PlainBooks),
    *_urls("cached", CachedBooks),
    *_urls("listed", ListedBooks),
]
