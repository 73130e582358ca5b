"""Live: a new value is in the browser within milliseconds, by Server-Sent Events.

In: what ``following`` says was stored, and requests that name keys. Out: events, as ``sse`` writes
them, to clients that may see them. Must not know: how a value is computed, and who else reads it.

``hub`` follows what is stored, once a process; ``watchers`` knows who watches what; each client has
a ``mailbox`` with the newest event of each of its keys; ``view`` answers requests.

Loaded when first used: ``asgi.py`` imports this before Django is set up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .asgi import live as live
    from .process_hub import close_hub as close_hub
    from .view import LiveView as LiveView
    from .view_sets import LiveMixin as LiveMixin
    from .view_sets import LiveViewSet as LiveViewSet

_NAMES = {
    "live": "asgi",
    "LiveView": "view",
    "LiveMixin": "view_sets",
    "LiveViewSet": "view_sets",
    "close_hub": "process_hub",
}

__all__ = ["LiveMixin", "LiveView", "LiveViewSet", "close_hub", "live"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_NAMES[name]}", __name__), name)
