"""Depends: from a changed row, or a refreshed product, to the keys that depend on it. Pure.

A primer lists its dependencies; the registry asks them what to capture, and ``refresh`` asks
them which keys a change touches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import Field, Model

from ..exceptions import InvalidPrimer, UnreadableValue
from ..log.change import Change as Change
from ..log.image import Image
from ..public import public_in


class All:
    """Every stored key of the product."""

    def __repr__(self) -> str:
        return "ALL"


ALL: All = All()

# What a dependency's ``keys`` may give: parameter dicts, one of them, or ALL.
Keys = Iterable[Mapping[str, Any]] | Mapping[str, Any] | All


@public_in("kck_publish")
class Depends:
    """One dependency of a primer.

    Args:
        on: a model, or the name of another product.
        keys: a callable from a Change to parameter dicts (or ALL), or ALL itself. It may query,
            and sees the batch's snapshot.
        columns: the columns of the row that the product reads; changes of others are ignored.
            Without it any changed column counts.
        reads: models that are read on purpose without depending on them.
        mapping: the primer's parameters, each from a column of the row (or from a parameter of
            the product depended on). Parameters left out match every stored key.

    Raises:
        InvalidPrimer: for arguments that cannot work, where they stand.
    """

    def __init__(
        self,
        on: type[Model] | str,
        *,
        keys: Callable[[Change], Keys] | All | None = None,
        columns: Sequence[str] | None = None,
        reads: Sequence[type[Model]] = (),
        **mapping: str,
    ) -> None:
        if not isinstance(on, str) and not _is_model(on):
            raise InvalidPrimer(f"Depends takes a model or a product's name, not {on!r}.")
        if keys is not None and mapping:
            raise InvalidPrimer(
                f"Depends({_name(on)}) has both keys= and mapped parameters: use one of them."
            )
        if isinstance(on, str) and columns is not None:
            raise InvalidPrimer(f"Depends({on!r}): a product has no columns; leave them out.")
        if isinstance(columns, str):
            raise InvalidPrimer(f"Depends({_name(on)}): columns takes a list of names.")
        self.keys = keys
        self.reads = tuple(reads)
        self.on: type[Model] | str = on if isinstance(on, str) else _concrete(on)
        self.mapping = dict(mapping)
        self.columns = None if columns is None else tuple(columns)

    @classmethod
    def by(
        cls,
        on: type[Model] | str,
        mapping: Mapping[str, str],
        columns: Sequence[str] | None = None,
    ) -> Depends:
        """A dependency with this mapping, for names that are only known when it is made.

        They may be those of the other arguments: of fields called keys, columns or reads.
        """
        dependency = cls(on, columns=columns)
        dependency.mapping = dict(mapping)
        return dependency

    @property
    def product(self) -> str | None:
        """The product depended on, or None when it is a model."""
        return self.on if isinstance(self.on, str) else None

    @property
    def models(self) -> tuple[type[Model], ...]:
        """The models whose tables hold the row: several for multi-table inheritance."""
        if isinstance(self.on, str):
            return ()
        return (self.on, *(parent for parent in self.on._meta.all_parents if _has_table(parent)))

    def fields_of(self, parameter: str) -> tuple[Field[Any, Any], ...]:
        """The column that a parameter is mapped from, if it is one."""
        if isinstance(self.on, str) or parameter not in self.mapping:
            return ()
        fields = fields_of(self.on, self.mapping[parameter])
        return fields if len(fields) == 1 else ()

    def wanted(self, model: type[Model]) -> tuple[str, ...]:
        """The attnames of this table that the dependency names (mapped ones and columns)."""
        return self._wanted.get(model, ())

    @cached_property
    def _wanted(self) -> dict[type[Model], tuple[str, ...]]:
        if isinstance(self.on, str):
            return {}
        names = [*self.mapping.values(), *(self.columns or ())]
        by_model: dict[type[Model], dict[str, None]] = defaultdict(dict)
        for name in names:
            for field in fields_of(self.on, name):
                by_model[field.model][field.attname] = None
        return {model: tuple(attnames) for model, attnames in by_model.items()}

    @cached_property
    def _columns_of(self) -> dict[str, str]:
        """Each mapped parameter's place in an image: an attname, or the product's parameter."""
        if isinstance(self.on, str):
            return self.mapping
        columns = {name: attname(self.on, column) for name, column in self.mapping.items()}
        if self.on._meta.parents:  # each table of the row has the key, under a name of its own
            key = self.on._meta.pk.attname
            columns = {name: "pk" if place == key else place for name, place in columns.items()}
        return columns

    def counts(self, change: Change) -> bool:
        """Whether this change matters: an update of other columns does not."""
        if self.columns is None or change.op != "update" or isinstance(change.source, str):
            return True
        old, new = change.old, change.new
        if old is None or new is None:
            return True
        return any(_differs(old, new, name) for name in self.wanted(change.source))

    def targets(self, change: Change) -> list[Mapping[str, Any]] | All:
        """The parameters, perhaps only some of them, of the keys that the change touches."""
        if change.op == "truncate" or isinstance(self.keys, All):
            return ALL
        if self.keys is not None:
            touched = self.keys(change)
            if isinstance(touched, All):
                return ALL
            return [touched] if isinstance(touched, Mapping) else list(touched)
        if not self.mapping:
            return ALL
        targets: list[Mapping[str, Any]] = []
        for image in change.images:
            target = self.translate(change, image)
            if target is None:
                return ALL
            targets += [parameters for parameters in target if parameters not in targets]
        return targets

    def translate(
        self, change: Change, image: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]] | None:
        """The mapped parameters of one image; None when it lacks a column (older triggers)."""
        names = self._columns_of
        try:
            return [{parameter: image[name] for parameter, name in names.items()}]
        except UnreadableValue:
            return []  # no key has what Python cannot hold
        except KeyError:
            if isinstance(self.on, str):
                raise
        if change.source is self.on and not self.on._meta.parents:
            return None
        # One table of a multi-table row changed, and the column is in another one.
        rows = self.on._base_manager.filter(pk=image["pk"]).values(*set(names.values()))
        if change.source is self.on and not rows:
            return None  # deleted, and what it depended by is not known
        return [{parameter: row[name] for parameter, name in names.items()} for row in rows]

    def shown(self, change: Change) -> Change:
        """The change with the columns that this dependency names only: what augment sees."""
        if self.columns is None or isinstance(change.source, str):
            return change
        names = {"pk", *self.wanted(change.source)}
        names.update(field.attname for field in change.source._meta.pk_fields)
        old, new = (_only(image, names) for image in (change.old, change.new))
        return replace(change, old=old, new=new)


class Looked(Depends):
    """A dependency on rows whose keys have to be looked up: asked for many changes at once."""

    @property
    def how(self) -> str:
        """How the keys are found, for the graph."""
        raise NotImplementedError

    def targets_of(self, changes: Sequence[Change]) -> list[tuple[Change, Mapping[str, Any]]] | All:
        """The parameters that each of many changes touches, by one query for all of them."""
        raise NotImplementedError


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    """Whether a column has changed; in doubt, yes."""
    if name in old and name in new:
        return bool(old[name] != new[name])
    if isinstance(old, Image) and isinstance(new, Image) and name in old.unreadable:
        return old.unreadable[name] != new.unreadable.get(name)
    return True


def _only(image: Mapping[str, Any] | None, names: set[str]) -> Mapping[str, Any] | None:
    if isinstance(image, Image):
        return image.only(names)
    return image and {name: value for name, value in image.items() if name in names}


def attname(model: type[Model], name: str) -> str:
    """The attname of a field given by name, attname or ``pk``."""
    return name if name == "pk" else fields_of(model, name)[0].attname


def fields_of(model: type[Model], name: str) -> tuple[models.Field[Any, Any], ...]:
    """The concrete fields that a name stands for: several for a composite ``pk``.

    Raises:
        InvalidPrimer: when the model has no such column.
    """
    if name == "pk":
        return tuple(model._meta.pk_fields)
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname) and field.column is not None:
            return (field,)
    known = ", ".join(field.attname for field in model._meta.concrete_fields)
    raise InvalidPrimer(f"{model._meta.label} has no column {name!r}; it has {known}.")


def _is_model(on: object) -> bool:
    """Whether it is a model that has a table."""
    if not (isinstance(on, type) and issubclass(on, Model)) or on is Model:
        return False
    return not on._meta.abstract


def _concrete(model: type[Model]) -> type[Model]:
    return model._meta.concrete_model or model


def _has_table(model: type[Model]) -> bool:
    return not model._meta.abstract and not model._meta.proxy


def _name(on: object) -> str:
    return on.__name__ if isinstance(on, type) else repr(on)
