"""One message on its way to a topic. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .headers import Headers


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that the relay, or a consumer, writes.

    Attributes:
        key: None for a message that is of no row.
        value: None for the word that there is nothing any more.
    """

    key: bytes | None
    value: bytes | None
    headers: Headers
