"""Existing serializers: none of them knows of products."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from tests.rest_app.models import Comic, Copy, Festival, Novel, Offer, Shop, Tag, Writer


class WriterSerializer(serializers.ModelSerializer):
    publisher = serializers.CharField(source="publisher.name", default=None, read_only=True)
    books = serializers.IntegerField(source="novels.count", read_only=True)

    class Meta:
        model = Writer
        fields = ("id", "slug", "name", "publisher", "books")


class CopySerializer(serializers.ModelSerializer):
    class Meta:
        model = Copy
        fields = ("shelf",)


class NovelV1(serializers.ModelSerializer):
    writer = WriterSerializer(read_only=True)
    writer_id = serializers.IntegerField()
    copies = CopySerializer(many=True, read_only=True)
    tags = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)
    genre = serializers.CharField(source="get_genre_display", read_only=True)
    summary = serializers.CharField(source="summary.text", default=None, read_only=True)
    shelves = serializers.SerializerMethodField()

    class Meta:
        model = Novel
        fields = (
            *("id", "title", "label", "price", "genre", "released", "changed", "score", "length"),
            *("writer", "writer_id", "copies", "tags", "summary", "shelves"),
        )

    def get_shelves(self, novel: Novel) -> list[str]:
        return sorted({copy.shelf for copy in novel.copies.all()})


class NovelV2(serializers.ModelSerializer):
    class Meta:
        model = Novel
        fields = ("id", "title", "writer", "tags")
        depth = 1


class TagSerializer(serializers.ModelSerializer):
    novels = serializers.StringRelatedField(many=True)

    class Meta:
        model = Tag
        fields = ("id", "name", "novels")


class MineSerializer(serializers.ModelSerializer):
    """What it says depends on who asks."""

    mine = serializers.SerializerMethodField()

    class Meta:
        model = Novel
        fields = ("id", "title", "mine")

    def get_mine(self, novel: Novel) -> bool:
        user: Any = self.context["request"].user
        return novel.copies.filter(owner=user.pk or 0).exists()


class LinkSerializer(serializers.HyperlinkedModelSerializer):
    class Meta:
        model = Tag
        fields = ("url", "name")
        extra_kwargs = {"url": {"view_name": "tag-detail"}}


class PlainWriterSerializer(serializers.ModelSerializer):
    """Of no product."""

    class Meta:
        model = Writer
        fields = ("id", "name")


class PrizedSerializer(serializers.ModelSerializer):
    prizes = serializers.PrimaryKeyRelatedField(many=True, read_only=True)

    class Meta:
        model = Novel
        fields = ("id", "prizes", "writer")


class ComicSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comic
        fields = ("id", "title", "drawings", "writer", "tags")
        depth = 1


class OfferSerializer(serializers.ModelSerializer):
    publisher = serializers.CharField(source="novel.writer.publisher.name", default="-")
    city = serializers.CharField(source="shop.city")
    novel = serializers.SlugRelatedField(slug_field="title", read_only=True)

    class Meta:
        model = Offer
        fields = ("id", "publisher", "city", "novel", "shop")


class ShopSerializer(serializers.ModelSerializer):
    offers = OfferSerializer(many=True, read_only=True)

    class Meta:
        model = Shop
        fields = ("code", "offers")


class WorkSerializer(serializers.ModelSerializer):
    tags = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)

    class Meta:
        model = Novel
        fields = ("title", "tags")


class GuestSerializer(serializers.ModelSerializer):
    """Named by a plain serializer, its works in no order of their own."""

    works = serializers.SerializerMethodField()
    house = serializers.SlugRelatedField(slug_field="name", source="publisher", read_only=True)

    class Meta:
        model = Writer
        fields = ("name", "works", "house")

    def get_works(self, writer: Writer) -> Any:
        rows = sorted(writer.novels.all(), key=lambda novel: novel.pk)
        return WorkSerializer(rows, many=True).data


class FestivalSerializer(serializers.ModelSerializer):
    names = serializers.SlugRelatedField(
        source="guests", slug_field="name", many=True, read_only=True
    )
    guests = serializers.SerializerMethodField()

    class Meta:
        model = Festival
        fields = ("name", "names", "guests")

    def get_guests(self, festival: Festival) -> Any:
        rows = sorted(festival.guests.all(), key=lambda writer: writer.pk)
        return GuestSerializer(rows, many=True).data


class EmptySerializer(serializers.ModelSerializer):
    class Meta:
        model = Festival
        fields = ()


class ColonSerializer(serializers.ModelSerializer):
    class Meta:
        model = Festival
        fields = ("id",)

    def get_fields(self) -> Any:
        return {**super().get_fields(), "name:Date": serializers.CharField(source="name")}


class TitleSerializer(serializers.ModelSerializer):
    """It shows columns alone."""

    class Meta:
        model = Novel
        fields = ("id", "title", "price", "writer")


class CountedSerializer(serializers.ModelSerializer):
    """It shows what the queryset has counted."""

    count = serializers.SerializerMethodField()

    class Meta:
        model = Novel
        fields = ("id", "title", "count")

    def get_count(self, novel: Any) -> int | None:
        return getattr(novel, "count", None)


class OfferKeySerializer(serializers.ModelSerializer):
    """It shows where a relation points to, be there something or not."""

    class Meta:
        model = Offer
        fields = ("id", "shop")
