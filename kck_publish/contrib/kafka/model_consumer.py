"""``ModelTopicConsumer``: a topic's messages as rows of a model."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model

from ...exceptions import InvalidPrimer
from ...public_names import public_in
from . import registry, versioned_rows, versions
from .consumer import TopicConsumer
from .incoming import Incoming, last_of, unwrap
from .message import Message


@public_in("kck_publish.contrib.kafka")
class ModelTopicConsumer(TopicConsumer):
    """Keeps rows as the messages say: insert, update, delete.

    A message of ``ChangeTopic``, or of Debezium, is unwrapped: ``key`` and ``value`` are the row's
    primary key and its columns; ``value`` is None where the row is gone.

    Where nothing of the project's own would be left out (no ``save`` of the model's, no receivers
    of its signals), a batch is written by one statement; else each row is saved, or deleted, with
    everything that Django does then.

    Attributes:
        model: whose rows; or write ``get_model``.
        exclude_fields: of the value, that are not written.
        version_field: a field (or several, compared in order), or a header, that tells older from
            newer: what is not newer than the row changes nothing. None: the partition's order.
    """

    model: ClassVar[type[Model] | None] = None
    exclude_fields: ClassVar[Collection[str]] = ()
    version_field: ClassVar[str | Sequence[str] | None] = None
    own_messages = False
    supersedes = True

    @classmethod
    def check(cls) -> None:
        super().check()
        excluded: object = cls.exclude_fields
        if not isinstance(excluded, Collection) or isinstance(excluded, str):
            # Of a text any part would be excluded.
            raise InvalidPrimer(f"{registry.path(cls)}.exclude_fields takes a list of names.")
        if cls.get_model is ModelTopicConsumer.get_model:
            cls.check_models([cls.model], "model takes a model")

    @classmethod
    def check_models(cls, models: Iterable[object], says: str) -> None:
        """Raise InvalidPrimer for what is no model, or has not the fields of ``version_field``."""
        for model in models:
            if not (isinstance(model, type) and issubclass(model, Model)):
                raise InvalidPrimer(f"{registry.path(cls)}.{says}.")
            try:
                versions.Versioning(model, cls.version_field)
            except (TypeError, ValueError) as error:
                raise InvalidPrimer(f"{registry.path(cls)}.version_field: {error}") from None

    def get_model(self, key: Any, value: Any) -> type[Model]:
        """The model whose row a message tells of."""
        assert self.model is not None  # check has seen to it
        return self.model

    def is_deletion(self, key: Any, value: Any) -> bool:
        """Whether a message says that the row is gone."""
        return value is None

    def get_lookup_kwargs(self, key: Any, value: Any) -> dict[str, Any]:
        """What the row is found by: the key, or the primary key's columns in it."""
        if isinstance(key, Mapping):
            return dict(key)
        return {"pk": tuple(key) if isinstance(key, list) else key}

    def consume(self, message: Message) -> None:
        self.consume_many([message])

    def consume_many(self, messages: Sequence[Message]) -> None:
        by_model: dict[type[Model], list[Incoming]] = {}
        for message in messages:
            incoming = self.incoming(message)
            by_model.setdefault(incoming.model, []).append(incoming)
        for model, wanted in by_model.items():
            versioned_rows.apply(self, model, wanted)

    def identity(self, message: Message) -> uuid.UUID | None:
        """The row; of a message that does not tell which, its key."""
        try:  # with a copy, for a transform may take parts out of the value
            return versions.identity(self._row(replace(message)))
        except Exception:  # noqa: BLE001 - what is wrong with it is said where it is handled
            return super().identity(message)

    def incoming(self, message: Message) -> Incoming:
        """What a message says of a row.

        Raises:
            ValueError: it says nothing of one.
        """
        row = self._row(message)
        key, value = unwrap(message)
        gone = self.is_deletion(key, value)
        fields = {} if gone else dict(self._fields(row.model, key, value))
        versioned = value if isinstance(value, Mapping) else last_of(message)
        return replace(row, fields=None if gone else fields, value=versioned)

    def _row(self, message: Message) -> Incoming:
        """Which row it tells of."""
        key, value = unwrap(message)
        model = self.get_model(key, value)
        lookup = _named(model, self.get_lookup_kwargs(key, value))
        if set(lookup.values()) <= {None}:
            raise ValueError("Nothing tells which row it is of: see get_lookup_kwargs.")
        return Incoming(message, model, lookup, None, {})

    def _fields(self, model: type[Model], key: Any, value: Any) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, Mapping):
            raise ValueError(f"A value of {type(value).__name__} has no fields.")
        for name, given in value.items():
            if name in self.exclude_fields or not self.is_told(given):
                continue
            transform = getattr(self, f"transform_{name}", None)
            if transform is not None:
                name, given = transform(key, value)
            if (field := field_of(model, name)) is not None:
                yield field.attname, self.to_python(field, given)

    def is_told(self, given: Any) -> bool:
        """Whether a message tells this value of a field, and not only that there is one."""
        return True

    def to_python(self, field: AnyField, given: Any) -> Any:
        """The value of a field that a message gives.

        Raises:
            ValidationError: it is no value of the field's.
        """
        target: Any = getattr(field, "target_field", field)
        if given is None or isinstance(given, Model):
            return getattr(given, target.attname if target is not field else "pk", None)
        return target.to_python(given)


AnyField = Any


def field_of(model: type[Model], name: str) -> Field[Any, Any] | None:
    """The concrete field of a name, attname or column; None where there is none."""
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        for field in model._meta.concrete_fields:
            if name in (field.attname, field.column):
                return field
        return None
    return field if isinstance(field, Field) and field.concrete and field.column else None


def _named(model: type[Model], lookup: Mapping[str, Any]) -> dict[str, Any]:
    """A lookup by attnames, as far as it names fields."""
    named = {}
    for name, value in lookup.items():
        field: AnyField = None if isinstance(value, tuple) else field_of(model, name)
        if field is None:
            named[name] = value
        else:
            target: Any = getattr(field, "target_field", field)
            named[field.attname] = target.to_python(value) if value is not None else None
    return named
