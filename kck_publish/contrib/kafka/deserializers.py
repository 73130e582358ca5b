"""From bytes to what a consumer works with: JSON, bytes, text, and what a schema registry knows.

A deserializer is called with the message and the bytes. Those of Confluent's registry need the
extra ``schema-registry``, and ``KCK_PUBLISH["KAFKA"]["schema_registry"] = {"url": ...}``.
"""

from __future__ import annotations

import json as exact
import re
import threading
from typing import Any

import orjson

from ...exceptions import ConfigurationError
from ...public_names import public_in
from . import config
from .message import Message

# What may be a number past 64 bits, of which orjson makes a float.
_LONG = re.compile(rb"\d{19}")


def _loads(data: bytes) -> Any:
    return exact.loads(data) if _LONG.search(data) else orjson.loads(data)


@public_in("kck_publish.contrib.kafka")
def json(message: Message, data: bytes | None) -> Any:
    """JSON; None for nothing."""
    return None if data is None else _loads(data)


@public_in("kck_publish.contrib.kafka")
def json_or_text(message: Message, data: bytes | None) -> Any:
    """JSON, or else the text itself: what keys usually are.

    A number that would be written otherwise, such as 1.10 or one of 25 digits, is text too.
    """
    if data is None:
        return None
    try:
        value = _loads(data)
    except ValueError:
        return data.decode()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        as_written = not is_number or orjson.dumps(value) == data
    except TypeError:  # past 64 bits
        as_written = False
    return value if as_written else data.decode()


@public_in("kck_publish.contrib.kafka")
def raw(message: Message, data: bytes | None) -> bytes | None:
    """The bytes themselves."""
    return data


class _Registered:
    """A deserializer that asks the schema registry; made when it is first used."""

    module: str
    name: str
    key = False

    def __init__(self, *arguments: Any, key: bool = False, **options: Any) -> None:
        self._arguments = arguments
        self._options = options
        self.key = key
        self._made: Any = None
        self._lock = threading.Lock()

    def __call__(self, message: Message, data: bytes | None) -> Any:
        if data is None:
            return None
        serialization = config.module("confluent_kafka.serialization")
        field = serialization.MessageField
        part = field.KEY if self.key else field.VALUE
        context = serialization.SerializationContext(message.topic, part, list(message.headers))
        with self._lock:
            if self._made is None:
                self._made = self._make(getattr(config.module(self.module), self.name))
        return self._made(data, context)

    def _make(self, kind: Any) -> Any:
        return kind(registry_client(), *self._arguments, **self._options)


@public_in("kck_publish.contrib.kafka")
class Avro(_Registered):
    """Avro, by the schema that the message names; takes what ``AvroDeserializer`` takes.

    Args:
        key: it is for keys.
    """

    module, name = "confluent_kafka.schema_registry.avro", "AvroDeserializer"


@public_in("kck_publish.contrib.kafka")
class JsonSchema(_Registered):
    """JSON with a schema; takes what ``JSONDeserializer`` takes.

    Args:
        schema: to check against; None for the registry's.
        key: it is for keys.
    """

    module, name = "confluent_kafka.schema_registry.json_schema", "JSONDeserializer"

    def __init__(self, schema: str | None = None, key: bool = False, **options: Any) -> None:
        super().__init__(schema, key=key, **options)

    def _make(self, kind: Any) -> Any:
        options = {"schema_registry_client": registry_client(), **self._options}
        return kind(*self._arguments, **options)


@public_in("kck_publish.contrib.kafka")
class Protobuf(_Registered):
    """Protobuf; takes what ``ProtobufDeserializer`` takes.

    Args:
        message_type: the generated class.
        key: it is for keys.
    """

    module, name = "confluent_kafka.schema_registry.protobuf", "ProtobufDeserializer"

    def _make(self, kind: Any) -> Any:
        conf = {"use.deprecated.format": False}
        options = {"schema_registry_client": registry_client(), **self._options}
        return kind(*self._arguments, conf, **options)


def registry_client() -> Any:
    """Confluent's client of the schema registry, as the settings say.

    Raises:
        ConfigurationError: the settings name none.
    """
    given = config.part("schema_registry")
    if not given.get("url"):
        raise ConfigurationError(
            'KCK_PUBLISH["KAFKA"]["schema_registry"] names no registry: set {"url": ...}.'
        )
    registry = config.module("confluent_kafka.schema_registry")
    return registry.SchemaRegistryClient.new_client(dict(given))
