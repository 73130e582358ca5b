"""Django REST framework: serializers as products, and views that answer from what is stored.

    primers.py     from kck_publish.contrib.rest_framework import SerializerPrimer
    views.py       from kck_publish.contrib.rest_framework import CachedViewMixin

A SerializerPrimer makes a serializer a product: ``walking`` finds what its fields read, ``reads``
turns that into dependencies and prefetches, ``products`` computes and keeps the renderer's bytes.
CachedViewMixin asks ``serving`` which product answers a request; ``retrieving`` and ``listing``
find the keys, and ``responses`` sends their bytes. Needs the extra ``drf``.
"""

from __future__ import annotations

from . import checks as checks
from .primers import SerializerPrimer
from .views import CachedViewMixin

__all__ = ["CachedViewMixin", "SerializerPrimer"]
