"""Actions that a mixin answers for a view, and never adds to a view.

A router serves each action that a view has. A mixin that defined ``list`` as a method would give a
list to a view that only retrieves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

Plain = Callable[..., Any]


class Action:
    """An action of the classes behind the mixin; a view that has none there has none here.

    Args:
        answer: called with the view, the plain action (bound), and the request's arguments.
        known: the plain actions that ``answer`` stands for; all, if none is named. An action of
            the project's own may hide what ``answer`` would show, so it is left as it is.
    """

    def __init__(self, answer: Callable[..., Any], *known: Plain) -> None:
        self._answer, self._known = answer, known

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, view: Any, kind: type[Any]) -> Any:
        """The action. Raises AttributeError where the view has none."""
        function = getattr(super(self._owner, kind), self._name)
        if self._known and function not in self._known:
            return function if view is None else getattr(super(self._owner, view), self._name)
        if view is None:
            return function
        plain = partial(function, view)
        # Schemas read an action's text and what decorators have put on it.
        return update_wrapper(partial(self._answer, view, plain), function)
