"""The values of a row in the log, from PostgreSQL's texts to what Django would read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Error as PsycopgError
from psycopg import postgres
from psycopg.abc import Loader

from .image import Image

Load = Callable[[str], Any]
LoadNull = Callable[[], Any]


class Order(NamedTuple):
    """How the values of a row are read whose columns come in one order.

    Attributes:
        width: how many columns there are, with those that are left out.
        loads: by place and attname, how a text is read; None where it is the value itself.
        nulls: by place and attname, how a NULL is read, where that gives another value than None.
        key: the attnames of the primary key.
    """

    width: int
    loads: list[tuple[int, str, Load | None]]
    nulls: list[tuple[int, str, LoadNull]]
    key: list[str]


# By column: the attname, and how its text, and a NULL, is read.
Loads = dict[str, tuple[str, Load | None, LoadNull | None]]

_UNREADABLE = (ValueError, OverflowError, PsycopgError)
# What psycopg's loaders of these names do, without a detour over bytes.
_PLAIN: dict[str, Load | None] = {"TextLoader": None, "IntLoader": int}


def image_of(order: Order, values: Sequence[str | None] | None) -> dict[str, Any] | None:
    """The typed values of a row; None where there is none.

    Raises:
        KeyError, UnreadableValue: its key cannot be read.
        ValueError: it is not as its columns say.
    """
    if values is None:
        return None
    if len(values) != order.width:
        raise ValueError("a row of the log has more columns, or fewer, than it names")
    image: dict[str, Any] = {}
    try:
        for place, attname, load in order.loads:
            text = values[place]
            image[attname] = text if load is None or text is None else load(text)
    except _UNREADABLE:
        image = _unreadable_image(order, values)
    for place, attname, load_null in order.nulls:
        if values[place] is None:
            image[attname] = load_null()
    key = order.key
    image["pk"] = image[key[0]] if len(key) == 1 else tuple([image[name] for name in key])
    return image


def _unreadable_image(order: Order, values: Sequence[str | None]) -> Image:
    image: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for place, attname, load in order.loads:
        text = values[place]
        try:
            image[attname] = text if load is None or text is None else load(text)
        except _UNREADABLE:
            unreadable[attname] = str(text)
    return Image(image, unreadable)


def loader_of(
    column: Any,
    loader: Loader,
    converters: Sequence[Any],
    expression: Any,
    connection: BaseDatabaseWrapper,
) -> Load | None:
    """How the text of a column is read as Django would; None where it is the value itself.

    Args:
        column: as the cursor describes it.
        loader: psycopg's, for texts of its type.
        converters: Django's, of the field.
        expression: what these are given besides.
        connection: the same.
    """
    name, sent = type(loader).__name__, _as_sent(column)
    if not converters and name in _PLAIN:
        return _PLAIN[name] or sent
    load = loader.load

    def loaded(text: str) -> Any:
        value = load((text if sent is None else sent(text)).encode())
        for convert in converters:
            value = convert(value, expression, connection)
        return value

    return loaded


def null_loader_of(
    converters: Sequence[Any], expression: Any, connection: BaseDatabaseWrapper
) -> LoadNull | None:
    """How a NULL is read, where Django's converters make something of it; else None."""

    def loaded() -> Any:
        value = None
        for convert in converters:
            value = convert(value, expression, connection)
        return value

    try:
        return None if loaded() is None else loaded
    except Exception:  # noqa: BLE001 - code of the field's, which may never have seen a NULL
        return None


def _as_sent(column: Any) -> Callable[[str], str] | None:
    """What makes the text that PostgreSQL sends of the one that it has cast; None: they are one.

    The log has what a cast to text gives. That is another text than the type's own of a boolean
    (psycopg's loader in Python takes "true" for false), of an address, and of a character(n).
    """
    if column.type_code == _BOOLEAN:
        return lambda text: text[0]
    if column.type_code == _ADDRESS:
        return lambda text: text.removesuffix("/128" if ":" in text else "/32")
    if column.type_code == _INTERVAL:
        return _without_months
    if column.type_code == _PADDED and column.display_size:
        return lambda text: text.ljust(column.display_size)
    return None


def _without_months(text: str) -> str:
    """The text of an interval. A month is 30 days for Python, and a year 365; in PostgreSQL twelve
    months are a year, and 360 days are its equal.

    Raises:
        ValueError: it has months, or years of them.
    """
    if "mon" in text or "year" in text:
        raise ValueError("an interval of months")
    return text


_BOOLEAN, _ADDRESS, _PADDED, _INTERVAL = (
    postgres.types[name].oid for name in ("bool", "inet", "bpchar", "interval")
)
