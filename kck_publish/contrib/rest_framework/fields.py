"""Finds what a serializer reads, from its fields: the columns and relations in their ``source``.

A field that runs code of the project's own (a method, a property, an own ``to_representation``)
does not show what it reads: the primer says it in ``sources``, or is refused.
``dependencies`` collects what is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Field, Model
from rest_framework import fields, relations, serializers

from ...exceptions import InvalidPrimer
from ...products.depends import Depends
from .dependencies import ReadColumns
from .field_forms import describe, is_own, uses_url
from .relations import Path, relation_named


class FieldReads:
    """One serializer's fields, and those of the serializers in it.

    Args:
        model: of the rows that the serializer is given.
        sources: what fields read that do not show it, by the field's name; names of fields of
            nested serializers are joined by dots, ``"*"`` is the serializer itself.

    Attributes:
        columns: the columns that are read.
        declared: the dependencies that ``sources`` gives as such.
        worded: whether an answer may differ by the language that is active.
        zoned: whether it may differ by the time zone that is.
        hosted: the fields whose URLs begin with the host that was asked.
        hidden: the fields that do not show what they read, with the reason.
    """

    def __init__(self, model: type[Model], sources: Mapping[str, Sequence[Any]]) -> None:
        self.columns = ReadColumns(model)
        self.declared: list[Depends] = []
        self.worded = self.zoned = False
        self.hosted: list[str] = []
        self.hidden: dict[str, str] = {}
        self._sources = sources
        self._used: set[str] = set()
        self._described: list[str] = []

    @property
    def description(self) -> str:
        """The form of what is written: another form, another description."""
        return "\n".join(self._described)

    @property
    def opaque(self) -> bool:
        """Whether a field runs code that may look at all of a row, whatever it is said to read."""
        return bool(self._used)

    @property
    def unused(self) -> set[str]:
        """The names in ``sources`` that are no field which hides what it reads."""
        return set(self._sources) - self._used

    def serializer(
        self, serializer: Any, model: type[Model], path: Path = (), name: str = ""
    ) -> None:
        """A serializer that is given the row, or the rows, at the end of a path."""
        self.columns.add_row(path)
        if is_own(serializer, "to_representation") or not isinstance(
            serializer, serializers.Serializer
        ):
            self._hide(name or "*", "it has a to_representation of its own", model, path)
        for field in getattr(serializer, "_readable_fields", ()):
            self._field(
                field, model, path, f"{name}.{field.field_name}" if name else field.field_name
            )

    def _field(self, field: Any, model: type[Model], path: Path, name: str) -> None:
        self._described.append(describe(field, name))
        if isinstance(field, relations.ManyRelatedField):
            self._relation(field, field.child_relation, model, path, name)
        elif isinstance(field, relations.RelatedField):
            self._relation(field, field, model, path, name)
        elif isinstance(field, serializers.BaseSerializer):
            self._nested(field, model, path, name)
        elif field.source == "*":
            self._hide(name, f"a {type(field).__name__} is given the whole row", model, path)
        elif is_own(field, "get_attribute"):
            self._hide(name, "it has a get_attribute of its own", model, path)
        else:
            self._value(field, model, path, name)

    def _nested(self, field: Any, model: type[Model], path: Path, name: str) -> None:
        end = self._rows(field.source_attrs, model, path)
        if end is None or is_own(field, "get_attribute"):
            self._hide(name, f"source={field.source!r} is no relation", model, path)
            return
        child = field
        if isinstance(field, serializers.ListSerializer):
            child = field.child
            if is_own(field, "to_representation"):
                self._hide(name, "its list has a to_representation of its own", end[1], end[0])
        inner_path, inner_model = end
        self.serializer(child, inner_model, inner_path, name)

    def _value(self, field: Any, model: type[Model], path: Path, name: str) -> None:
        if isinstance(field, fields.FileField) and uses_url(field):
            self.hosted.append(name)
        self.worded = self.worded or getattr(field, "localize", False)
        self.zoned = self.zoned or isinstance(field, fields.DateTimeField)
        if not self._column(field.source_attrs, model, path):
            self._hide(name, f"source={field.source!r} is no column", model, path)

    def _relation(self, field: Any, shown: Any, model: type[Model], path: Path, name: str) -> None:
        """A relation's field; ``shown`` is what writes one of the rows."""
        if isinstance(shown, relations.HyperlinkedRelatedField):
            self.hosted.append(name)
        if is_own(field, "get_attribute") or is_own(shown, "get_attribute"):
            self._hide(name, "it has a get_attribute of its own", model, path)
            return
        end = self._rows(field.source_attrs, model, path)
        if is_own(shown, "to_representation") or is_own(shown, "get_url"):
            at, given = end or (path, model)
            self._hide(name, "it writes the row in a way of its own", given, at)
            return
        if field is shown and shown.use_pk_only_optimization() and self._key(field, model, path):
            return
        if end is None:
            self._hide(name, f"source={field.source!r} is no relation", model, path)
            return
        target_path, target = end
        self.columns.add_row(target_path)
        if isinstance(shown, relations.StringRelatedField):
            if target.__str__ is Model.__str__:
                self.columns.add(target_path, "pk")
            else:
                self._hide(name, f"it calls {target.__name__}.__str__", target, target_path)
        else:
            read = "pk"
            if isinstance(shown, relations.SlugRelatedField):
                read = shown.slug_field
            elif isinstance(shown, relations.HyperlinkedRelatedField):
                read = shown.lookup_field
            if not self._column(read.replace("__", ".").split("."), target, target_path):
                self._hide(name, f"{read!r} is no column", target, target_path)

    def _key(self, field: Any, model: type[Model], path: Path) -> bool:
        """A foreign key whose own column is all that is read."""
        *before, last = field.source_attrs or [None]
        end = self._rows(before, model, path)
        if end is None or last is None:
            return False
        following = relation_named(end[1], last)
        if following is None or not following.forward:
            return False
        self.columns.add(end[0], following.field.attname)
        return True

    def _rows(
        self, names: Sequence[str], model: type[Model], path: Path
    ) -> tuple[Path, type[Model]] | None:
        """Where relations under these names lead; None when one of them is none."""
        for index, name in enumerate(names):
            following = relation_named(model, name)
            if following is None or (index and path[-1].many):
                return None
            path, model = (*path, following), following.model
        return path, model

    def _column(self, names: Sequence[str], model: type[Model], path: Path) -> bool:
        """Whether these names lead to a column, which then is read."""
        for index, name in enumerate(names):
            following = relation_named(model, name)
            if following is None:
                return self._attribute(name, names[index + 1 :], model, path)
            path, model = (*path, following), following.model
            if following.many:
                if list(names[index + 1 :]) == ["count"]:
                    self.columns.add_row(path)
                    return True
                return False
        return False

    def _attribute(self, name: str, rest: Sequence[str], model: type[Model], path: Path) -> bool:
        if name.startswith("get_") and name.endswith("_display") and not rest:
            shown = name.removeprefix("get_").removesuffix("_display")
            choices = _columns(model).get(shown)
            if choices is not None and choices.choices:
                self.worded = True  # labels may be translated
                self.columns.add(path, shown)
                return True
        if name != "pk" and name not in _columns(model):
            return False
        self.columns.add(path, name)
        return True

    def _hide(self, name: str, why: str, model: type[Model], path: Path) -> None:
        """A field that does not show what it reads of the row at the end of a path."""
        self.worded = self.zoned = True
        if name not in self._sources:
            self.hidden[name] = why
            return
        self._used.add(name)
        for source in self._sources[name]:
            if isinstance(source, str):
                self._said(source, model, path, name)
            else:
                self.declared.append(source if isinstance(source, Depends) else Depends(source))

    def _said(self, source: str, model: type[Model], path: Path, name: str) -> None:
        *before, last = source.split(".")
        end: tuple[Path, type[Model]] | None = (path, model)
        for relation in before:
            end = end and self._rows([relation], end[1], end[0])
        if end is not None:
            target_path, target = end
            following = relation_named(target, last)
            if last == "*":
                self.columns.add_all(target_path)
                return
            if following is not None:
                self.columns.add_row((*target_path, following))
                return
            if self._attribute(last, (), target, target_path):
                return
        raise InvalidPrimer(
            f"sources[{name!r}]: {source!r} leads to no column from {model.__name__}. Write it as "
            "in source=, 'author.name'; 'author.*' is all columns; or give a Depends."
        )


def _columns(model: type[Model]) -> dict[str, Field[Any, Any]]:
    columns: dict[str, Field[Any, Any]] = {}
    for field in model._meta.concrete_fields:
        columns[field.attname] = columns[field.name] = field
    return columns
