"""Running a model's ``publish``: to learn its lookups, and what a changed row publishes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

logger = logging.getLogger("kck_publish")


@dataclass
class Collector:
    """What a running ``publish`` has asked for.

    Attributes:
        declaring: the lookups are wanted, not keys: the row is an empty one.
    """

    declaring: bool = False
    lookups: list[tuple[str, ...]] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)


_collector: ContextVar[Collector | None] = ContextVar("kck_publish_collector", default=None)


def collector() -> Collector | None:
    """What collects here; None when ``publish`` was called by hand."""
    return _collector.get()


@contextmanager
def collecting(declaring: bool = False) -> Iterator[Collector]:
    """Collect what ``publish`` asks for, instead of asking for it."""
    found = Collector(declaring)
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


# Models whose publish() could not be run on an empty row, with the reason; a check names them.
unreadable: dict[str, str] = {}


def declared_lookups(model: type[Model]) -> list[tuple[str, ...]]:
    """The lookups that a model's own ``publish`` names, by running it on an empty row."""
    unreadable.pop(model._meta.label, None)
    with collecting(declaring=True) as found:
        try:
            model().publish()  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001 - the user's code, on a row that it did not expect
            unreadable[model._meta.label] = f"{type(error).__name__}: {error}"
    return [lookup for lookup in found.lookups if lookup != ("pk",)]


def keys_published(model: type[Model], image: Mapping[str, Any], alias: str) -> dict[str, None]:
    """The keys that one version of a row publishes; columns not captured are deferred."""
    names = [one.attname for one in model._meta.concrete_fields if one.attname in image]
    row = model.from_db(alias, names, [image[name] for name in names])
    with collecting() as found:
        row.publish()  # type: ignore[attr-defined]
    return found.keys
