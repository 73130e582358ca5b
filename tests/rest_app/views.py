"""Each view twice: with products, and the very same without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import filters, pagination, permissions, routers, viewsets
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer

from kck_publish.contrib.rest_framework import CachedViewMixin
from tests.rest_app.models import Novel, Tag, Writer
from tests.rest_app.primers import tags
from tests.rest_app.serializers import (
    LinkSerializer,
    MineSerializer,
    NovelV1,
    NovelV2,
    TagSerializer,
    WriterSerializer,
)


class HasKey(permissions.BasePermission):
    """Of the view."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return request.headers.get("X-Key") != "wrong"


class NoCrime(permissions.BasePermission):
    """Of the row."""

    message = "Not for you."

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(request.headers.get("X-Adult") or obj.genre != "c")


class Numbered(pagination.PageNumberPagination):
    page_size = 4
    page_size_query_param = "size"


class Sliced(pagination.LimitOffsetPagination):
    default_limit = 3


class Followed(pagination.CursorPagination):
    page_size = 3
    ordering = ("title", "pk")


class Visible(filters.BaseFilterBackend):
    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        return queryset if request.headers.get("X-All") else queryset.filter(visible=True)


class Shouting(JSONRenderer):
    """A renderer of one's own."""

    media_type = "application/shout"
    format = "shout"

    def render(self, data: Any, *args: Any) -> bytes:
        return bytes(super().render(data, *args)).upper()


class NovelViews(viewsets.ModelViewSet):
    queryset = Novel.objects.order_by("pk")
    serializer_class = NovelV1
    permission_classes: Any = (HasKey, permissions.AllowAny)
    renderer_classes = (JSONRenderer, BrowsableAPIRenderer, Shouting)
    filter_backends: Any = (filters.SearchFilter, filters.OrderingFilter)
    search_fields = ("title", "writer__name", "tags__name")
    ordering_fields = ("title", "price", "writer__name")
    pagination_class: Any = Numbered


class GuardedViews(NovelViews):
    """A row's permission, a filter, another page, and a queryset with a condition of its own."""

    permission_classes = (HasKey, NoCrime)
    filter_backends = (Visible, filters.OrderingFilter)
    pagination_class = Sliced
    serializer_class = NovelV2

    def get_queryset(self) -> QuerySet[Novel]:
        found = Novel.objects.order_by("-price", "pk")
        country = self.request.headers.get("X-Country")
        return found.filter(writer__publisher__country=country) if country else found


class CursorViews(NovelViews):
    pagination_class = Followed
    filter_backends = ()
    permission_classes = (permissions.DjangoModelPermissionsOrAnonReadOnly,)


class WriterViews(viewsets.ReadOnlyModelViewSet):
    queryset = Writer.objects.order_by("pk")
    serializer_class = WriterSerializer
    lookup_field = "slug"


class TagViews(viewsets.ModelViewSet):
    queryset = Tag.objects.order_by("name", "pk")
    serializer_class = TagSerializer
    lookup_field = "name"


class CachedTagViews(CachedViewMixin, TagViews):
    """Its list is a product, too."""

    def list_pks(self, queryset: QuerySet[Tag]) -> Sequence[int] | None:
        return tags.cached.get()


class MineViews(viewsets.ReadOnlyModelViewSet):
    queryset = Novel.objects.order_by("pk")
    serializer_class = MineSerializer


class LinkViews(viewsets.ReadOnlyModelViewSet):
    queryset = Tag.objects.order_by("pk")
    serializer_class = LinkSerializer


def cached(view: type[Any]) -> type[Any]:
    """The view with products."""
    if view is TagViews:
        return CachedTagViews
    return type(view.__name__, (CachedViewMixin, view), {})


router = routers.SimpleRouter()
VIEWS = {
    "novels": NovelViews,
    "guarded": GuardedViews,
    "cursor": CursorViews,
    "writers": WriterViews,
    "tags": TagViews,
    "mine": MineViews,
    "links": LinkViews,
}
for name, view in VIEWS.items():
    router.register(f"plain/{name}", view, basename=f"plain-{name}")
    router.register(f"cached/{name}", cached(view), basename=f"cached-{name}")
router.register("tag", LinkViews, basename="tag")
urlpatterns = router.urls
