"""The admin's pages: products, stored entries, failures, listeners, and a key explained.

In: requests of Django's admin, which finds this module by itself where it is installed. Out: what
``ops``, ``refresh`` and ``status`` know, as pages, and what they do, asked for by operators and
recorded in Django's log of the admin. Nothing imports this room.
"""

from __future__ import annotations

from django.contrib import admin

from ..models import FailedKey, Listener, Product, StoredKey
from .entries import EntriesPage
from .failures import FailuresPage
from .listeners import ListenersPage
from .products import ProductsPage

admin.site.register(Product, ProductsPage)
admin.site.register(StoredKey, EntriesPage)
admin.site.register(FailedKey, FailuresPage)
admin.site.register(Listener, ListenersPage)
