"""What a message says of a row: unwrapped from the envelopes of ``ChangeTopic`` and Debezium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from . import headers
from .message import Message

_DEBEZIUM = {"before", "after", "op"}


@dataclass(frozen=True)
class Incoming:
    """What a message says of a row.

    Attributes:
        lookup: what the row is found by.
        fields: its values by attname; None where it is gone.
        value: the value as the message gives it, for its version; of a row that is gone as it was.
        replaces: the row was deleted before, within the same batch.
    """

    message: Message
    model: type[Model]
    lookup: dict[str, Any]
    fields: dict[str, Any] | None
    value: Mapping[str, Any]
    replaces: bool = False

    @property
    def is_relayed(self) -> bool:
        """Whether a relay of this library has sent it."""
        return self.message.header(headers.ENVELOPE) is not None

    @property
    def identity(self) -> tuple[Any, ...]:
        """Tells its row from others of the model."""
        return tuple(sorted(self.lookup.items()))


def unwrap(message: Message) -> tuple[Any, Any]:
    """The row's key and its columns; None for these where it is gone.

    Raises:
        ValueError: the table was emptied as a whole, which no row's order tells of.
    """
    value = message.value
    envelope = message.header(headers.ENVELOPE)
    if envelope == "cloudevents":
        value = value["data"]
    if envelope in ("plain", "cloudevents"):
        if value["op"] == "truncate":
            raise ValueError(
                "The table was truncated: its rows have no keys to be ordered by. Delete them here "
                "by hand, and discard this message."
            )
        return value["key"], value["new"]
    if isinstance(value, Mapping) and isinstance(value.get("payload"), Mapping):
        value = value["payload"]  # Debezium's JSON with schemas
    if isinstance(value, Mapping) and value.keys() >= _DEBEZIUM:
        if value["op"] == "t":
            raise ValueError("The table was truncated: delete its rows here by hand.")
        value = value["after"]
    return _key(message.key), value


def last_of(message: Message) -> Mapping[str, Any]:
    """How a row was that is gone, as far as the message tells: its version is among it."""
    value = message.value
    if message.header(headers.ENVELOPE) == "cloudevents":
        value = value["data"]
    elif isinstance(value, Mapping) and isinstance(value.get("payload"), Mapping):
        value = value["payload"]
    told = value if isinstance(value, Mapping) else {}
    last = told.get("before" if told.keys() >= _DEBEZIUM else "old")
    return last if isinstance(last, Mapping) else {}


def _key(key: Any) -> Any:
    if isinstance(key, Mapping) and isinstance(key.get("payload"), Mapping):
        return key["payload"]
    return key
