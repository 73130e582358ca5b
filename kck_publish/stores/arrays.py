"""Arrays as PostgreSQL reads them, for statements that are given many rows at once.

psycopg looks at each text for what has to be quoted, which takes a tenth of the time of a batch.
Here all are looked at together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from .types import Address, Stored

# The rows of these ``identities``.
AMONG = "(digest, fingerprint) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))"


def array(plain: Sequence[str]) -> str:
    """An array of digests, fingerprints, snapshots: texts without quotes and backslashes.

    The statement says of what type they are: ``%s::uuid[]``.
    """
    return '{"' + '","'.join(plain) + '"}' if plain else "{}"


def texts(values: Sequence[str]) -> str:
    """An array of any texts."""
    together = "".join(values)
    if '"' in together or "\\" in together:
        values = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return array(values)


def times(values: Sequence[datetime | None]) -> Sequence[datetime | None] | str:
    """An array of times, of which mostly none is known."""
    if any(values):
        return values
    return "{" + ",".join(["NULL"] * len(values)) + "}"


def booleans(values: Iterable[bool]) -> str:
    """An array of truth values."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def numbers(values: Iterable[float]) -> str:
    """An array of numbers."""
    return "{" + ",".join(map(repr, values)) + "}"


def digests(addresses: Iterable[Address]) -> str:
    """The digests of these addresses."""
    return array([address.hex for address in addresses])


def identities(addresses: Sequence[Address]) -> list[str]:
    """The digests and the fingerprints of these addresses: two parameters."""
    return [digests(addresses), array([address.fingerprint for address in addresses])]


def ordered(entries: Iterable[Stored]) -> list[Stored]:
    """Entries in one order always, so that two writers of the same rows never deadlock."""
    return sorted(entries, key=lambda entry: (entry.address.hex, entry.address.fingerprint))
