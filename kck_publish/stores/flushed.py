"""A flush empties the table of entries, and not the cache: its values are begun anew with it.

``manage.py flush`` sends ``post_migrate``, and so does the flush that ends a TransactionTestCase.
The next listener would find the same; until then readers would be given the values of before.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from django.db import connections
from django.db.models.signals import post_migrate

from ..conf import settings
from ..exceptions import ConfigurationError, StoreUnreachable
from . import current


def connect(sender: object) -> None:
    """Connect the handler.

    Args:
        sender: the library's AppConfig; Django sends the signal once an app.
    """
    post_migrate.connect(_after, sender=sender, dispatch_uid="kck_publish.flushed")


def _after(using: str, plan: object = None, **_: Any) -> None:
    """Begin anew what is of before a flush; ``migrate`` alone tells of a plan."""
    connection = connections[using]
    if plan is not None or using != settings.DATABASE or not connection.get_autocommit():
        return
    with suppress(StoreUnreachable, ConfigurationError):  # the next listener looks, too
        current().examine(connection.connection, logging.INFO)
