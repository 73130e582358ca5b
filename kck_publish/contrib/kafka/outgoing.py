"""One message on its way to a topic. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Outgoing(NamedTuple):
    """A message that the relay, or a consumer, writes.

    Attributes:
        key: None for a message that is of no row.
        value: None for the word that there is nothing any more.
    """

    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
