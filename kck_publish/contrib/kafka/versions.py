"""Versions of rows: what tells an older message from a newer one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson
from django.db.models import Model

from ...postgres import Cursor
from .incoming import Incoming
from .offsets import Where

Version = tuple[Any, ...]

# The versions by digest that a consumer has of a topic: read and held, and kept.
KNOWN = """
SELECT digest, version FROM kck_publish_kafka_version
 WHERE consumer = %s AND topic = %s AND digest = ANY (%s) FOR UPDATE
"""
KEEP = """
INSERT INTO kck_publish_kafka_version (consumer, topic, digest, version)
SELECT %s, %s, * FROM unnest(%s::uuid[], %s::text[])
ON CONFLICT (consumer, topic, digest) DO UPDATE SET version = excluded.version
"""


class Versioning:
    """How one consumer tells older from newer.

    Args:
        model: whose rows.
        names: fields of the model, or one header.
    """

    def __init__(self, model: type[Model], names: str | Sequence[str] | None) -> None:
        wanted = [names] if isinstance(names, str) else list(names or ())
        known = {
            name: field
            for field in model._meta.concrete_fields
            for name in (field.name, field.attname)
        }
        self.fields = [known[name] for name in wanted if name in known]
        self.header = ""
        if wanted and len(self.fields) != len(wanted):
            if len(wanted) > 1:
                missing = ", ".join(name for name in wanted if name not in known)
                raise ValueError(f"{model.__name__} has no field {missing} to be a version.")
            self.header = wanted[0]

    @property
    def columns(self) -> list[str]:
        """The columns of the row that hold its version."""
        return [str(field.column) for field in self.fields]

    def of(self, incoming: Incoming) -> Version | None:
        """The version of what a message says; None where it tells none."""
        if self.header:
            text = incoming.message.header(self.header)
            return None if text is None else (_number(text),)
        if not self.fields:
            return None
        found = []
        for field in self.fields:
            given = (incoming.fields or {}).get(field.attname)
            if given is None:
                given = incoming.value.get(field.attname, incoming.value.get(str(field.column)))
                if given is None and not incoming.is_relayed:  # whose headers tell of the log
                    given = incoming.message.header(field.attname)
                given = None if given is None else field.to_python(given)
            if given is None:
                return None
            found.append(given)
        return tuple(found)

    def compares(self, incoming: Incoming) -> bool:
        """Whether what a message says is compared with the row itself."""
        return bool(self.fields) and self.of(incoming) is not None

    def known(self, cursor: Cursor, where: Where, keys: Sequence[uuid.UUID]) -> dict[Any, Version]:
        """What was kept of these keys, held until the transaction ends."""
        if not (self.fields or self.header):
            return {}
        cursor.execute(KNOWN, [where.group, where.topic, list(keys)])
        return {digest: self._load(text) for digest, text in cursor.fetchall()}

    def keep(self, cursor: Cursor, where: Where, versions: dict[uuid.UUID, Version]) -> None:
        """Keep these."""
        if versions:
            texts = [orjson.dumps(version, default=str).decode() for version in versions.values()]
            cursor.execute(KEEP, [where.group, where.topic, list(versions), texts])

    def _load(self, text: str) -> Version:
        values = orjson.loads(text)
        if self.header:
            return tuple(values)
        return tuple(
            field.to_python(value) for field, value in zip(self.fields, values, strict=True)
        )


def identity(incoming: Incoming) -> uuid.UUID:
    """What tells a row from others of a consumer, whatever the messages' keys are."""
    told = repr((incoming.model._meta.label_lower, incoming.identity))
    return uuid.UUID(bytes=blake2b(told.encode(), digest_size=16).digest())


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text
