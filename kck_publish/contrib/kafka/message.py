"""One message as a consumer sees it. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any

from ...public_names import public_in
from .headers import Headers

# Turns the bytes of a key or value into what a consumer works with.
Deserializer = Callable[["Message", bytes | None], Any]
# What a timestamp is called that is none.
_NO_TIME = 0


@public_in("kck_publish.contrib.kafka")
@dataclass(frozen=True)
class Message:
    """One message of a topic.

    Attributes:
        topic, partition, offset: where it is.
        raw_key: its bytes, or None.
        raw_value: its bytes; None says that there is nothing under the key any more.
        headers: by name and value, in order.
        timestamp: when it was written, or None.
        attempts: how often its handling has failed so far.
    """

    topic: str
    partition: int
    offset: int
    raw_key: bytes | None
    raw_value: bytes | None
    headers: Headers = ()
    timestamp: datetime | None = None
    attempts: int = 0
    key_from: Deserializer | None = field(default=None, repr=False, compare=False)
    value_from: Deserializer | None = field(default=None, repr=False, compare=False)

    @cached_property
    def key(self) -> Any:
        """The key, deserialized.

        Raises:
            what the consumer's deserializer raises.
        """
        return self.raw_key if self.key_from is None else self.key_from(self, self.raw_key)

    @cached_property
    def value(self) -> Any:
        """The value, deserialized.

        Raises:
            what the consumer's deserializer raises.
        """
        return self.raw_value if self.value_from is None else self.value_from(self, self.raw_value)

    def header(self, name: str) -> str | None:
        """The last header of a name, as text; None where there is none."""
        for known, value in reversed(self.headers):
            if known == name and value is not None:
                return value.decode(errors="replace")
        return None

    @property
    def digest(self) -> uuid.UUID:
        """What tells its key from others."""
        return uuid.UUID(bytes=blake2b(self.raw_key or b"", digest_size=16).digest())

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def read(message: Any, key_from: Deserializer | None, value_from: Deserializer | None) -> Message:
    """The message of a client."""
    kind, milliseconds = message.timestamp()
    at = None if kind == _NO_TIME else datetime.fromtimestamp(milliseconds / 1000, UTC)
    headers = [
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in message.headers() or ()
    ]
    return Message(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        headers,
        at,
        0,
        key_from,
        value_from,
    )
