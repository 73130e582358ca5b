"""Running a model's ``publish``: to learn its lookups, and what a changed row publishes."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from inspect import getattr_static
from types import CodeType
from typing import Any

from django.db.models import Model

from .run_at_start import no_queries

logger = logging.getLogger("kck_publish")


@dataclass
class Collector:
    """The keys that a running ``publish`` has asked for.

    Attributes:
        declaring: the lookups are wanted, not keys: the row is an empty one.
    """

    declaring: bool = False
    lookups: list[tuple[str, ...]] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)


_collector: ContextVar[Collector | None] = ContextVar("kck_publish_collector", default=None)


def collector() -> Collector | None:
    """The collector in force; None when ``publish`` was called by hand."""
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


def publishes_itself(model: type[Model]) -> bool:
    """Whether the model overrides CacheModel.publish, and does not merely use its name."""
    return hook_of(model) is Hook.OVERRIDDEN


class Hook(Enum):
    """The kinds of a model's ``publish``."""

    DECLARED = "CacheModel's own"
    OVERRIDDEN = "the hook"
    ANOTHER = "a field or method of the project's"


def hook_of(model: type[Model]) -> Hook:
    """The kinds of a model's ``publish``.

    A method of that name that takes arguments, or that publishes nothing by any name of
    CacheModel's, is the project's (a post is published on a site, say): it is never run here.
    """
    attribute = getattr_static(model, "publish", None)
    if getattr(attribute, "by_declaration", False):
        return Hook.DECLARED
    function = inspect.unwrap(attribute) if callable(attribute) else None
    if not inspect.isfunction(function) or len(inspect.signature(function).parameters) != 1:
        return Hook.ANOTHER
    names = set(_names_in(function.__code__))
    calls = names & {"publish_by", "publish_method"} or {"super", "publish"} <= names
    return Hook.OVERRIDDEN if calls or "CacheModel" in names else Hook.ANOTHER


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


def declared_lookups(model: type[Model]) -> list[tuple[str, ...]]:
    """The lookups that a model's own ``publish`` names, by running it on an empty row.

    It gets no database: what it writes there would be written whenever Django starts.
    """
    unreadable.pop(model._meta.label, None)
    with no_queries(), collecting(declaring=True) as found:
        try:
            model().publish()  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001 - the user's code, on a row that it did not expect
            unreadable[model._meta.label] = f"{type(error).__name__}: {error}"
    return [lookup for lookup in found.lookups if lookup != ("pk",)]


def keys_published(model: type[Model], image: Mapping[str, Any], alias: str) -> dict[str, None]:
    """The keys that one version of a row publishes; columns not captured are deferred."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname in image]
    row = model.from_db(alias, names, [image[name] for name in names])
    with collecting() as found:
        row.publish()  # type: ignore[attr-defined]
    return found.keys
