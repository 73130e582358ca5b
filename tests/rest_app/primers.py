"""The serializers that are products."""

from __future__ import annotations

from django.db.models import Count, QuerySet
from rest_framework.permissions import IsAdminUser, IsAuthenticated

from kck_publish import Depends, primer
from kck_publish.contrib.rest_framework import SerializerPrimer
from tests.rest_app.models import Copy, Novel, Tag
from tests.rest_app.serializers import (
    ColonSerializer,
    ComicSerializer,
    CountedSerializer,
    EmptySerializer,
    FestivalSerializer,
    LinkSerializer,
    MineSerializer,
    NovelV1,
    NovelV2,
    OfferKeySerializer,
    PrizedSerializer,
    ShopSerializer,
    TagSerializer,
    TitleSerializer,
    WriterSerializer,
)


class WriterPrimer(SerializerPrimer):
    key = "api.writer"
    serializer_class = WriterSerializer


class NovelV1Primer(SerializerPrimer):
    key = "api.novel.v1"
    serializer_class = NovelV1
    sources = {"label": ["title", "writer.name"], "shelves": ["copies.shelf"]}


class NovelV2Primer(SerializerPrimer):
    key = "api.novel.v2"
    serializer_class = NovelV2
    live = [IsAuthenticated, IsAdminUser]


class TagPrimer(SerializerPrimer):
    key = "api.tag"
    serializer_class = TagSerializer
    sources = {"novels": ["title"]}


class MinePrimer(SerializerPrimer):
    key = "api.mine"
    serializer_class = MineSerializer
    per_user = True
    live = IsAuthenticated
    sources = {"mine": [Depends(Copy, pk="novel_id")]}


class LinkPrimer(SerializerPrimer):
    key = "api.link"
    serializer_class = LinkSerializer
    base_url = "https://api.example.org"


class PrizedPrimer(SerializerPrimer):
    key = "api.prized"
    serializer_class = PrizedSerializer


class ComicPrimer(SerializerPrimer):
    key = "api.comic"
    serializer_class = ComicSerializer


class ShopPrimer(SerializerPrimer):
    key = "api.shop"
    serializer_class = ShopSerializer
    eager = True


class FestivalPrimer(SerializerPrimer):
    key = "api.festival"
    serializer_class = FestivalSerializer
    sources = {
        "guests": [
            "guests.name",
            "guests.publisher.name",
            "guests.novels.title",
            "guests.novels.tags.name",
        ]
    }


class TitlePrimer(SerializerPrimer):
    key = "api.title"
    serializer_class = TitleSerializer


class CountedPrimer(SerializerPrimer):
    key = "api.counted"
    serializer_class = CountedSerializer
    sources = {"count": ["copies.novel"]}

    def get_queryset(self) -> QuerySet[Novel]:
        return Novel.objects.annotate(count=Count("copies"))


class OfferKeyPrimer(SerializerPrimer):
    key = "api.offer_key"
    serializer_class = OfferKeySerializer


class EmptyPrimer(SerializerPrimer):
    key = "api.empty"
    serializer_class = EmptySerializer


class ColonPrimer(SerializerPrimer):
    key = "api.colon"
    serializer_class = ColonSerializer


@primer("api.tags", depends_on=[Depends(Tag, columns=["name"])])
def tags() -> list[int]:
    return list(Tag.objects.order_by("name", "pk").values_list("pk", flat=True))


@primer("api.visible", depends_on=[Depends(Novel, columns=["visible"])])
def visible() -> list[int]:
    return list(Novel.objects.filter(visible=True).order_by("pk").values_list("pk", flat=True))
