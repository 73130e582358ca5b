"""What a peer's process has in its settings beside ours, as the peer's authors advise."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

Settings = dict[str, Any]


def of_peer(peer: str, settings: Settings) -> None:
    """Change the settings for a peer; the empty name changes nothing, nor does one not there.

    Args:
        peer: "cacheops", "cachalot", "push"; with ``-redis`` the default cache is over Redis.
        settings: the settings module's names.
    """
    name, _, kind = peer.partition("-")
    if kind == "redis":
        settings["CACHES"]["default"] = settings["CACHES"]["peers"]
    if name == "push":
        _push(settings)
    if name in _PEERS and find_spec(name):
        _PEERS[name](settings)


def _cacheops(settings: Settings) -> None:
    settings["INSTALLED_APPS"].append("cacheops")
    settings["CACHEOPS_REDIS"] = f"{settings['REDIS']}/3"
    ops = () if os.environ.get("KCK_BENCH_OPS") == "none" else "all"
    settings["CACHEOPS"] = {"benchmarks.*": {"ops": ops, "timeout": 30 * 24 * 3600}}


def _cachalot(settings: Settings) -> None:
    settings["INSTALLED_APPS"].append("cachalot")
    settings["CACHALOT_CACHE"] = "default"


def _eventstream(settings: Settings) -> None:
    """Several processes send, over Redis; nothing is kept to be played back."""
    settings["INSTALLED_APPS"].append("django_eventstream")
    host, _, port = settings["REDIS"].removeprefix("redis://").partition(":")
    settings["EVENTSTREAM_REDIS"] = {"host": host, "port": int(port or 0), "db": 4}


def _push(settings: Settings) -> None:
    """Those that push. They patch nothing, and each has tables of its own."""
    settings["INSTALLED_APPS"].append("benchmarks.pushed")
    if find_spec("pgpubsub"):
        settings["INSTALLED_APPS"].append("pgpubsub")
    if find_spec("procrastinate"):
        settings["INSTALLED_APPS"].append("procrastinate.contrib.django")


_PEERS: dict[str, Callable[[Settings], None]] = {
    "cacheops": _cacheops,
    "cachalot": _cachalot,
    "django_eventstream": _eventstream,
}
