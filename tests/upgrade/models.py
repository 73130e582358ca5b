"""The project whose database the version 0.1.0 left behind: see ``tests.upgrade.dump``."""

from __future__ import annotations

from django.db import models

from kck_publish import CacheModel


class Author(CacheModel):
    slug = models.SlugField(unique=True)
    name = models.TextField()

    cached_by = ["slug"]


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    title = models.TextField()
    price = models.IntegerField()
