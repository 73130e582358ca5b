"""What the ``kafka`` modules of the installed apps declare: topics, consumers, connectors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ...exceptions import InvalidPrimer, UnknownDeclaration

if TYPE_CHECKING:
    from .connector import Connector
    from .consumer import TopicConsumer
    from .topics import Topic

T = TypeVar("T", bound=type)

topics: dict[str, type[Topic]] = {}
consumers: dict[str, type[TopicConsumer]] = {}
connectors: dict[str, type[Connector]] = {}


def register(kind: dict[str, T], name: str, declared: T) -> None:
    """Make a declaration known under a name.

    Raises:
        InvalidPrimer: another one has the name.
    """
    known = kind.get(name)
    if known is not None and path(known) != path(declared):
        raise InvalidPrimer(
            f"Both {path(known)} and {path(declared)} are {name!r}: give one of them another name."
        )
    kind[name] = declared


def check_name(declared: type, topic: object) -> None:
    """Raise InvalidPrimer for what can be no topic's name: nothing would ever be in it."""
    if not isinstance(topic, str) or not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", topic):
        raise InvalidPrimer(
            f"{path(declared)}.topic takes the name of a topic: letters, digits, '.', '_' and '-'."
        )


def check_config(declared: type, given: object) -> None:
    """Raise InvalidPrimer unless it is a mapping by Kafka's names."""
    if not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
        raise InvalidPrimer(f"{path(declared)}.config takes a mapping by Kafka's names.")


def path(declared: type) -> str:
    """Where a class is declared."""
    return f"{declared.__module__}.{declared.__qualname__}"


def chosen(kind: dict[str, T], names: Sequence[str]) -> list[T]:
    """The declarations of these names, or dotted paths; all when there are none.

    Raises:
        UnknownDeclaration: one is not declared.
    """
    if not names:
        return list(kind.values())
    by_name = {**{path(each): each for each in kind.values()}, **kind}
    by_name = {**{each.__name__: each for each in kind.values()}, **by_name}
    if unknown := [name for name in names if name not in by_name]:
        close = difflib.get_close_matches(unknown[0], by_name, n=3) or sorted(kind)
        raise UnknownDeclaration(unknown, close)
    return [by_name[name] for name in names]
