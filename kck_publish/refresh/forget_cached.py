"""Before each batch, values that this process has cached are forgotten.

The listener is another process than those that serve requests, so whatever clears a cache in the
memory of those (a signal of a model, a view) clears nothing here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache

from django.apps import apps

from .. import signals
from ..conf import settings
from .errors import describe

logger = logging.getLogger(__name__)


def begin_batch(alias: str) -> None:
    """Forget what Django has cached of the database, and have the project do the same.

    Args:
        alias: the database.
    """
    for clear in _django_caches():
        clear()
    for call in settings.BEFORE_BATCH:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - the user's: the batch goes on
            logger.error("A callable of BEFORE_BATCH failed: %s", describe(error))
    signals.batch_begins.send_robust(sender=None, using=alias)


@cache
def _django_caches() -> list[Callable[[], None]]:
    """The functions that clear the caches of Django's own installed applications."""
    return list(_found_caches())


def _found_caches() -> Iterator[Callable[[], None]]:
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        yield ContentType.objects.clear_cache
    if apps.is_installed("django.contrib.sites"):
        from django.contrib.sites.models import Site

        yield Site.objects.clear_cache
