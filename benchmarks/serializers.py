"""The API's serializers; none of them knows of products."""

from __future__ import annotations

from rest_framework import serializers

from benchmarks.models import Author, Book, Review


class AuthorSerializer(serializers.ModelSerializer):
    """Nested in a book."""

    class Meta:
        model = Author
        fields = ("id", "name")


class ReviewSerializer(serializers.ModelSerializer):
    """Nested in a book, too."""

    class Meta:
        model = Review
        fields = ("id", "stars", "text")


class BookSerializer(serializers.ModelSerializer):
    """A book with its author and its reviews."""

    author = AuthorSerializer(read_only=True)
    reviews = ReviewSerializer(many=True, read_only=True)

    class Meta:
        model = Book
        fields = (
            *("id", "slug", "title", "price", "published", "pages", "updated"),
            *("author", "reviews"),
        )
