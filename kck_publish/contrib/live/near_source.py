"""Whether a hub follows the near store's file, for now."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from django.db import connections

from ...conf import settings
from ...exceptions import StoreUnreachable
from ...stores.near.file_path import near_store
from ...stores.near.reader import NearReader
from .near_file import NearWatch

if TYPE_CHECKING:
    from .hub import Hub

logger = logging.getLogger("kck_publish")


class NearSource:
    """The file, as one hub's source; used in its thread.

    Args:
        hub: is told of what is watched.

    Attributes:
        watch: follows the file; None while the hub follows PostgreSQL.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._may_be = True
        self.watch: NearWatch | None = None

    def wake(self) -> None:
        """Look at once, if it is followed; any thread may say so."""
        if (watch := self.watch) is not None:
            watch.wake()

    def is_back(self) -> bool:
        """Whether PostgreSQL need not be followed any more."""
        return self.watch is None and self._file() is not None

    def follow(self) -> None:
        """Follow the file, if there is one, for as long as it is followed itself."""
        if (near := self._file()) is None:
            return
        try:
            self.watch = NearWatch(self._hub, near)
        except OSError:  # its path is too long for a socket's
            logger.exception("The live hub cannot follow %s: it follows PostgreSQL.", near.path)
            self._may_be = False
            return
        try:
            with suppress(psycopg.Error, StoreUnreachable, OSError):
                self.watch.follow()
        finally:
            self.watch = None

    def _file(self) -> NearReader | None:
        """The near store of this host, if there is one and its follower lives."""
        if not self._may_be or settings.NEAR is None or not settings.ENABLED:
            return None
        try:
            near = near_store()
        finally:
            connections[settings.DATABASE].close()  # on which the name of the schema was asked
        return near if near is not None and near.is_followed else None
