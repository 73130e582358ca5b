"""A model instance <-> a JSON list of its column values, compiled once a model.

What comes back equals ``objects.get()`` field by field and type by type. Used by ``rows``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import getattr_static
from typing import Any

import orjson
from django.db.models import Field, Model
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

from .columns import converters, describe, same


class Codec:
    """The bytes of one model's instances."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.fields: list[Field[Any, Any]] = list(model._meta.concrete_fields)
        self.names = [field.attname for field in self.fields]
        pairs = [converters(field) for field in self.fields]
        self._dump = [(name, dump) for name, (dump, _) in zip(self.names, pairs, strict=True)]
        self._load = [(index, load) for index, (_, load) in enumerate(pairs) if load is not same]

    @cached_property
    def description(self) -> str:
        """What the fingerprint is made of: the names and types of the columns, in order."""
        return ";".join(f"{field.attname}={describe(field)}" for field in self.fields)

    def values(self, instance: Model) -> list[Any]:
        """The JSON values of a row."""
        row = instance.__dict__
        return [
            None
            if (value := row[name] if name in row else getattr(instance, name)) is None
            else dump(value)
            for name, dump in self._dump
        ]

    def dump(self, instance: Model) -> bytes:
        """The stored bytes of one row."""
        return orjson.dumps(self.values(instance))

    def instance(self, values: list[Any], alias: str) -> Model:
        """A fresh instance, as if read from that database. The list is used up."""
        for index, load in self._load:
            if (value := values[index]) is not None:
                values[index] = load(value)
        model = self.model
        if self._sees is not None or (
            (pre_init.receivers and pre_init.has_listeners(model))
            or (post_init.receivers and post_init.has_listeners(model))
        ):
            return model.from_db(alias, self.names, values)
        instance: Model = _new(model)
        state = _new(ModelState)
        state.adding = False
        state.db = alias
        row = instance.__dict__
        row["_state"] = state
        row.update(zip(self.names, values, strict=True))
        return instance

    @cached_property
    def _sees(self) -> str | None:
        """What of the model wants to see the building of an instance; None: nothing does.

        Then an instance is what ``from_db`` would have made, without ``__init__``: it takes a
        quarter of the time.
        """
        model = self.model
        for name in ("__init__", "__new__", "__setattr__", "__getattribute__"):
            if getattr_static(model, name) is not getattr_static(Model, name):
                return name
        if model.from_db.__func__ is not Model.from_db.__func__:  # type: ignore[attr-defined]
            return "from_db"
        for name in self.names:
            kind = type(getattr_static(model, name, None))
            # Django's own only look for what is there already, which is nothing yet.
            if hasattr(kind, "__set__") and not kind.__module__.startswith("django.db.models."):
                return name
        return None


_new: Callable[[Any], Any] = object.__new__
