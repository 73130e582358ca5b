"""``suppress`` and ``unsuppress``: what is written is captured, and not told to these topics.

The word goes with the writes themselves, in the log, as ``origin`` does: so it holds for what a
transaction commits, not for what a process sends meanwhile, and nothing is gone without trace. The
caches are refreshed; the relay counts what it was told not to send.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ...capture import local_settings
from ...capture.local_settings import ALL_TOPICS, Local
from ...capture.suppress import Block
from ...public_names import public_in


class Suppression(Block):
    """Tells these topics nothing; see ``suppress``."""

    def __init__(self, topics: frozenset[str]) -> None:
        super().__init__()
        self._topics = topics

    def _recreate_cm(self) -> Suppression:
        return Suppression(self._topics)

    def _within(self, before: Local) -> Local:
        topics = before.untold | self._topics
        return before._replace(untold=ALL_TOPICS if topics & ALL_TOPICS else topics)


class Unsuppression(Block):
    """Tells all topics; see ``unsuppress``."""

    def __init__(self) -> None:
        super().__init__()
        self._before_call = local_settings.current.get()
        self._called = self._within(self._before_call)
        local_settings.current.set(self._called)

    def _recreate_cm(self) -> Unsuppression:
        return Unsuppression()

    def _within(self, before: Local) -> Local:
        return before._replace(untold=frozenset())

    def _undo_call(self) -> None:
        """As a context manager or decorator, the call alone was to change nothing."""
        if local_settings.current.get() is self._called:
            local_settings.current.set(self._before_call)

    def __enter__(self) -> Unsuppression:
        self._undo_call()
        super().__enter__()
        return self

    def __call__(self, function: Any) -> Any:
        self._undo_call()
        return super().__call__(function)


@public_in("kck_publish.contrib.kafka")
def suppress(topics: Collection[str] | Callable[..., Any] | None = None) -> Any:
    """Tell these topics nothing of what is written within the block, or the decorated function.

    Nested blocks add up; a decorated function obeys what holds where it is called. Products are
    state, so product topics tell of them all the same.

    Args:
        topics: their names; None for all. A function where it decorates without parentheses.

    Raises:
        ValueError: for what is no list of names.
    """
    if callable(topics):
        return Suppression(ALL_TOPICS)(topics)
    if topics is None:
        return Suppression(ALL_TOPICS)
    if isinstance(topics, str | bytes) or not isinstance(topics, Collection):
        raise ValueError(f"suppress takes a list of topics' names, not {topics!r}.")
    if not all(isinstance(topic, str) and topic for topic in topics):
        raise ValueError(f"suppress takes a list of topics' names, not {topics!r}.")
    return Suppression(frozenset(topics))


@public_in("kck_publish.contrib.kafka")
def unsuppress(function: Callable[..., Any] | None = None) -> Any:
    """Tell all topics again.

    Called, until the surrounding block ends; as a context manager or decorator, within it.

    Args:
        function: what it decorates, where it does so without parentheses.
    """
    block = Unsuppression()
    return block if function is None else block(function)


def covers(untold: frozenset[str], topic: str) -> bool:
    """Whether a topic is among those that are told nothing."""
    return topic in untold or bool(untold & ALL_TOPICS)
