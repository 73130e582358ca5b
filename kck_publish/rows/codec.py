"""A model instance <-> a JSON list of its column values, compiled once a model.

What comes back equals ``objects.get()`` field by field and type by type. Used by ``products``.
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

from .field_values import converters, describe, same
from .read_together import MARK, Peers

# A row's values, of which database, and the rows of the same read: its instance.
Build = Callable[[list[Any], str, Peers | None], Model]


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
        """The content of the fingerprint: the names and types of the columns, in order."""
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

    def instance(self, values: list[Any], alias: str, peers: Peers | None = None) -> Model:
        """A fresh instance, as if read from that database.

        Args:
            values: as they were stored.
            alias: of the database.
            peers: the rows of the same read of ``.cached``; None for another read.
        """
        return self.builder()(values, alias, peers)

    def builder(self) -> Build:
        """``instance``, for the many rows of one read."""
        if self._sees is None and not (
            (pre_init.receivers and pre_init.has_listeners(self.model))
            or (post_init.receivers and post_init.has_listeners(self.model))
        ):
            return self._build
        return self._from_db

    def _from_db(self, values: list[Any], alias: str, peers: Peers | None) -> Model:
        row = self.model.from_db(alias, self.names, self._loaded(values))
        if peers is not None:
            row._state.__dict__[MARK] = peers
        return row

    def _loaded(self, values: list[Any]) -> list[Any]:
        found = list(values)
        for index, load in self._load:
            if (value := found[index]) is not None:
                found[index] = load(value)
        return found

    @cached_property
    def _build(self) -> Build:
        """The function, written for this model, that makes an instance without ``__init__``.

        Each column is named in it once, which takes half the time of a loop over them.
        """
        places = [f"v{index}" for index in range(len(self.names))]
        lines = [
            "def build(values, alias, peers):",
            f"    {', '.join(places)}, = values",
            *(f"    if v{at} is not None: v{at} = load{at}(v{at})" for at, _ in self._load),
            "    state = State()",
            "    state.adding = False",
            "    state.db = alias",
            "    state.fields_cache = {}",  # it is asked for when the state goes, at the latest
            f"    if peers is not None: state.{MARK} = peers",
            "    instance = new(model)",
            "    row = instance.__dict__",
            "    row['_state'] = state",
            *(f"    row[{name!r}] = {v}" for name, v in zip(self.names, places, strict=True)),
            "    return instance",
        ]
        known: dict[str, Any] = {f"load{at}": load for at, load in self._load}
        known |= {"State": ModelState, "new": object.__new__, "model": self.model}
        exec("\n".join(lines), known)  # made of nothing but the model's field names
        built: Build = known["build"]
        return built

    @cached_property
    def _sees(self) -> str | None:
        """The part of the model that must see the building of an instance; None: there is none.

        Then an instance is what ``from_db`` would have made, without ``__init__``.
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
