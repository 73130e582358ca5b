"""One version of a changed row: typed values by attname. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..exceptions import UnreadableValue


class Image(dict[str, Any]):
    """A row's values; one that Python cannot hold is not among them, and raises when it is asked.

    PostgreSQL has what Python has not: infinity, years before 1 or after 9999, and months.

    Attributes:
        unreadable: the text of such values, by attname.
    """

    def __init__(self, values: Mapping[str, Any], unreadable: Mapping[str, str]) -> None:
        super().__init__(values)
        self.unreadable = unreadable

    def __missing__(self, name: str) -> Any:
        if name in self.unreadable:
            raise UnreadableValue(name)
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dict, but an unreadable value is not taken for an absent one."""
        if name in self.unreadable:
            raise UnreadableValue(name)
        return super().get(name, default)

    def only(self, names: Iterable[str]) -> Image:
        """The same with these columns alone."""
        kept = set(names)
        return Image(
            {name: value for name, value in self.items() if name in kept},
            {name: text for name, text in self.unreadable.items() if name in kept},
        )


def differs(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    """Whether a column has changed; in doubt, yes."""
    if name in old and name in new:
        return bool(old[name] != new[name])
    if isinstance(old, Image) and isinstance(new, Image) and name in old.unreadable:
        return old.unreadable[name] != new.unreadable.get(name)
    return True


def only(image: Mapping[str, Any] | None, names: set[str]) -> Mapping[str, Any] | None:
    """A version of a row with these columns alone."""
    if isinstance(image, Image):
        return image.only(names)
    return image and {name: value for name, value in image.items() if name in names}
