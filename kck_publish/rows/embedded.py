"""``cached_related``: rows that are stored together with the rows that they point to.

``products`` and ``table_products`` make the bytes of a row by the codec from here, and depend on
each row that is embedded: when it changes, every row that it is embedded in is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, Model, QuerySet

from ..conf import settings
from ..exceptions import InvalidPrimer
from ..products.depends import ALL, All, Change, Touch
from ..products.join_walk import OldRows
from ..products.looked_up_dependency import Looked
from .codec import Codec
from .options import option
from .read_together import Peers, Tree

AnyCodec: TypeAlias = "Codec | EmbeddingCodec"


def tree_of(model: type[Model]) -> Tree:
    """The relations that a model embeds.

    Raises:
        InvalidPrimer: ``cached_related`` names something else than forward relations.
    """
    paths = option(model, "cached_related")
    if isinstance(paths, str):
        raise InvalidPrimer(f"{model._meta.label}: cached_related is a list; write [{paths!r}].")
    tree: dict[str, Any] = {}
    for path in paths:
        place, at = tree, model
        for name in path.split("__"):
            at = _relation(model, path, at, name).remote_field.model
            place = place.setdefault(name, {})
    return tree


def _relation(model: type[Model], path: str, at: type[Model], name: str) -> Any:
    where = f"{model._meta.label}: cached_related names {path!r}"
    try:
        field: Any = at._meta.get_field(name)
    except FieldDoesNotExist:
        raise InvalidPrimer(f"{where}, but {at._meta.label} has no field {name!r}.") from None
    if not isinstance(field, ForeignKey) or field.name != name:
        raise InvalidPrimer(
            f"{where}, but {at._meta.label}.{name} is no foreign key or one-to-one field: name "
            "forward relations only, by field name, as for select_related."
        )
    loose: Any = field
    if not loose.db_constraint and not (field.null and field.target_field.primary_key):
        raise InvalidPrimer(
            f"{where}, but {field} has no constraint. Such a key must be null=True, or a row that "
            "points to nothing could not be read, and must point to the primary key."
        )
    return field


def codec_of(model: type[Model], tree: Tree) -> AnyCodec:
    """The codec of rows of a model with their embedded rows, to bytes and back."""
    return EmbeddingCodec(model, tree) if tree else Codec(model)


class EmbeddingCodec:
    """The bytes of a row with its related rows: ``[columns, related, ...]``."""

    def __init__(self, model: type[Model], tree: Tree) -> None:
        self.own = Codec(model)
        self.names = self.own.names
        self._related: list[tuple[Any, AnyCodec]] = []
        for name, further in tree.items():
            field: Any = model._meta.get_field(name)
            self._related.append((field, codec_of(field.remote_field.model, further)))

    @property
    def description(self) -> str:
        """The content of the fingerprint, with that of the related rows."""
        parts = [f"{field.name}({codec.description})" for field, codec in self._related]
        return ";".join([self.own.description, *parts])

    def values(self, instance: Model) -> list[Any]:
        """The JSON values of a row that was read with its relations."""
        found: list[Any] = [self.own.values(instance)]
        for field, codec in self._related:
            related = getattr(instance, field.name)
            found.append(None if related is None else codec.values(related))
        return found

    def dump(self, instance: Model) -> bytes:
        """The stored bytes of one row."""
        return orjson.dumps(self.values(instance))

    def instance(self, values: list[Any], alias: str, peers: Peers | None = None) -> Model:
        """A fresh instance with its related ones, as select_related gives them."""
        row = self.own.instance(values[0], alias, peers)
        for (field, codec), each in zip(self._related, values[1:], strict=True):
            related = None if each is None else codec.instance(each, alias)
            field.set_cached_value(row, related)
            if related is not None and not field.remote_field.multiple:
                field.remote_field.set_cached_value(related, row)
        return row


def columns_of(codec: AnyCodec, values: list[Any]) -> list[Any]:
    """The row's own columns among the values of a codec."""
    return values[0] if isinstance(codec, EmbeddingCodec) else values


def paths_of(tree: Tree) -> list[str]:
    """The relations as select_related takes them; each before what it leads to."""
    found = []
    for name, further in tree.items():
        found += [name, *(f"{name}__{path}" for path in paths_of(further))]
    return found


class Through(Looked):
    """A dependency on a row that is embedded in others: those that lead to it are looked up.

    Args:
        model: in whose rows it is embedded.
        path: how they lead to it.
        parameters: of the product, with the columns of the model that they equal.
    """

    def __init__(self, model: type[Model], path: str, parameters: Mapping[str, str]) -> None:
        target = model
        for name in path.split("__"):
            target = target._meta.get_field(name).remote_field.model  # type: ignore[union-attr]
        super().__init__(target, keys=self._keys)
        self._model = model
        self.path = path
        self._parameters = parameters

    @property
    def how(self) -> str:
        return f"embedded as {self.path}"

    def _keys(self, change: Change) -> Iterable[Mapping[str, Any]]:
        found = self.targets_of([change], OldRows())
        return [] if isinstance(found, All) else [touch.target for touch in found]

    def targets_of(self, changes: Sequence[Change], old: OldRows) -> list[Touch] | All:
        if any(change.op == "truncate" for change in changes):
            return ALL
        touched: dict[Any, list[Change]] = {}
        for change in changes:
            for pk in {image["pk"]: None for image in change.images}:
                touched.setdefault(pk, []).append(change)
        if not self._parameters:  # a product that has one key
            return [Touch(change, {}) for change in changes]
        leads = f"{self.path}__pk"
        rows: QuerySet[Any] = QuerySet(self._model, using=settings.DATABASE)
        names = list(self._parameters)
        found = rows.filter(**{f"{leads}__in": list(touched)}).order_by()
        return [
            Touch(change, dict(zip(names, values, strict=True)))
            for pk, *values in found.values_list(leads, *self._parameters.values()).distinct()
            for change in touched[pk]
        ]


def dependencies(model: type[Model], tree: Tree, parameters: Mapping[str, str]) -> list[Through]:
    """The dependencies of a product of a model's rows on the rows that it embeds."""
    return [Through(model, path, parameters) for path in paths_of(tree)]
