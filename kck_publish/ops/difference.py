"""The first path at which a stored value and a fresh one differ, with both values.

For whoever looks for the cause: values are shown on demand only, never in a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from reprlib import Repr
from typing import Any

from django.db.models import Model

from ..products.product import Computed, Product
from ..refresh.check_augment import alike
from ..stores import Stored

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 120


class _NoValue:
    """Stands for a value that one of the two does not have."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __repr__(self) -> str:
        return self._what


NOTHING = _NoValue("nothing")
UNREADABLE = _NoValue("bytes that cannot be decoded")


@dataclass(frozen=True)
class Difference:
    """Two values at a path, as text; the path of the whole value is empty."""

    path: str
    stored: str
    fresh: str

    def __str__(self) -> str:
        where = f"at {self.path}: " if self.path else ""
        return f"{where}stored {self.stored}, fresh {self.fresh}"


def difference(product: Product, entry: Stored, computed: Computed) -> Difference:
    """The first one between what is stored and what a compute gave, which are not the same."""
    stored = NOTHING if entry.body is None else _decoded(product, entry.body, entry.shape)
    fresh = (
        NOTHING if computed.absent is not None else product.plain_value(*computed.encoded(product))
    )
    path, stored_part, fresh_part = next(_differing(stored, fresh), ("", stored, fresh))
    return Difference(path, _text(stored_part), _text(fresh_part))


def _decoded(product: Product, body: bytes, shape: bytes | None) -> Any:
    try:
        return product.plain_value(body, shape)
    except Exception:  # noqa: BLE001 - damaged, or the decoder of a user's product
        return UNREADABLE


def _differing(stored: Any, fresh: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The paths at which two values differ, in the order of the stored one."""
    stored, fresh = _parts(stored), _parts(fresh)
    if isinstance(stored, dict) and isinstance(fresh, dict):
        for key in dict.fromkeys([*stored, *fresh]):
            yield from _differing(
                stored.get(key, NOTHING), fresh.get(key, NOTHING), f"{path}[{key!r}]"
            )
    elif isinstance(stored, list | tuple) and type(stored) is type(fresh):
        pairs = zip_longest(stored, fresh, fillvalue=NOTHING)
        for place, (mine, theirs) in enumerate(pairs):
            yield from _differing(mine, theirs, f"{path}[{place}]")
    elif not alike(stored, fresh):
        yield path, stored, fresh


def _parts(value: Any) -> Any:
    """A model's row as the dict of what it holds: two rows of one pk are equal to Python."""
    if isinstance(value, Model):
        held = {name: part for name, part in vars(value).items() if not name.startswith("_")}
        return held | value._state.fields_cache
    return dict(value) if isinstance(value, Mapping) else value


def _text(value: Any) -> str:
    return _SHORT.repr(value)
