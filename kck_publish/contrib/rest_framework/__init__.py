"""Django REST framework: serializers as products, and views that answer from what is stored.

    primers.py     from kck_publish.contrib.rest_framework import SerializerPrimer
    views.py       from kck_publish.contrib.rest_framework import CachedViewMixin

A SerializerPrimer makes a serializer a product: ``fields`` finds what its fields read,
``dependencies`` makes dependencies and prefetches of that, and ``row_reads`` of what chooses the
rows; ``products`` computes and keeps the renderer's bytes, ``live_permissions`` asks the
framework's permissions for streams.
CachedViewMixin asks ``serving`` which product answers a request, and ``querysets`` (with
``annotations``) whether the product reproduces the view's rows; ``retrieving`` and ``listing`` find
the keys, ``responses`` sends their bytes, ``preconditions`` refuses writes for older answers. Needs
the extra ``drf``.
"""

from __future__ import annotations

from . import checks as checks
from .primers import SerializerPrimer
from .views import CachedViewMixin

__all__ = ["CachedViewMixin", "SerializerPrimer"]
