"""Which file is the near store: each schema of the database has its own."""

from __future__ import annotations

from ... import search_path
from ...conf import settings
from .reader import NearReader, reader


def near_store() -> NearReader | None:
    """The near store of this host; None where there is none, or the schema cannot be asked for."""
    path = settings.NEAR
    if path is None:
        return None
    schema = search_path.schema_if_known(settings.DATABASE)
    return None if schema is None else reader(search_path.named(path, schema))
