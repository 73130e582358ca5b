"""The rows that one request has read: each is one object, by whichever lookup it is read.

``request_memo`` keeps answers by key. A row that is stored under several keys (its pk, its lookups,
the lists that it is in) is built for each of them, and becomes here the object that there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model


class RequestRows:
    """The rows of one request, by model and pk, each with what it held when it was read."""

    def __init__(self) -> None:
        self._rows: dict[tuple[type[Model], Any], tuple[Mapping[str, Any], Model]] = {}

    def same(self, row: Model) -> Model:
        """The request's object of a row that has just been built.

        A row that was stored differently, as another key of it is ahead, is the object from now
        on: it has the values that it was asked by.
        """
        place = type(row), row.pk
        held = _held(row)
        known = self._rows.get(place)
        if known is not None and _is_equal(known[0], held):
            return known[1]
        self._rows[place] = held, row
        return row


def _held(row: Model) -> dict[str, Any]:
    """What a row has been built from: its columns, and the related rows that it is stored with."""
    related = row._state.__dict__.get("fields_cache", {})
    return vars(row) | {
        "_state": {
            name: _held(other) if isinstance(other, Model) else other
            for name, other in related.items()
        }
    }


def _is_equal(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    try:
        return bool(mine == theirs)
    except Exception:  # noqa: BLE001 - the values of a field may be of any type, an array's too
        return False
