"""A panel of django-debug-toolbar: what a request has read and written (the extra "toolbar").

    DEBUG_TOOLBAR_PANELS = [..., "kck_publish.contrib.debug_toolbar.ProductsPanel"]

In: the reads of a request, as ``reading.observed`` tells them, and its rows of the change log. Out:
``ProductsPanel``.
"""

from __future__ import annotations

from .panel import ProductsPanel

__all__ = ["ProductsPanel"]
