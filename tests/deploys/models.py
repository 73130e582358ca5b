"""One table as two versions of the code see it: a field was renamed, and one added."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from django.db import models

from kck_publish import CacheModel

NEW = os.environ.get("KCK_TEST_VERSION") == "new"

if NEW:

    class Thing(CacheModel):
        """The new version: ``name`` is called ``title``, and there is a colour."""

        title = models.TextField(db_column="name")
        size = models.IntegerField(default=0)
        colour = models.TextField(db_default="grey")

        cached_by: ClassVar[Any] = ("title",)
        cached_lists: ClassVar[Any] = ("size",)

else:

    class Thing(CacheModel):  # type: ignore[no-redef]
        """The old version."""

        name = models.TextField()
        size = models.IntegerField(default=0)

        cached_by: ClassVar[Any] = ("name",)
        cached_lists: ClassVar[Any] = ("size",)
