"""The module of public classes and functions: the module that users import them from.

Migrations, pickles, reprs and tracebacks write that path down, and it outlives the rooms.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def public_in(module: str) -> Callable[[T], T]:
    """Decorate a class or function that users import from ``module``; the outermost decorator.

    A class keeps its annotations evaluated: ``typing.get_type_hints`` looks their names up in the
    module that the class says.
    """

    def publish(thing: T) -> T:
        if isinstance(thing, type):
            itself = {thing.__name__: thing}
            thing.__annotations__ = inspect.get_annotations(thing, locals=itself, eval_str=True)
            if "__firstlineno__" in vars(thing):  # a line of another file than the module's
                del thing.__firstlineno__  # type: ignore[attr-defined]
        thing.__module__ = module
        return thing

    return publish
