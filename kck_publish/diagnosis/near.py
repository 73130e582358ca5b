"""The near store of this host: the folder that its file is in, and whether it is followed."""

from __future__ import annotations

from collections.abc import Iterator

from ..conf import settings
from ..exceptions import UntrustedNearFile
from ..stores.near.file_owner import others_may_write, require_own
from ..stores.near.file_path import near_store
from .registry import Asks, Problem, diagnosis


@diagnosis("near store", Asks.CODE)
def shared_folder(alias: str) -> Iterator[Problem]:
    """A folder in which other users of the host may write."""
    if settings.NEAR is not None and others_may_write(settings.NEAR):
        yield Problem(
            "W024",
            f"NEAR is {settings.NEAR!r}, in a folder where other users of the host may write: "
            "they can keep it from being made, or (without the sticky bit) plant values, so it "
            "is not used then.",
            "Put it into a folder that only the user of your processes may write, such as "
            "/run/<project> made with mode 0700.",
        )


@diagnosis("near file", Asks.RUNNING)
def planted_file(alias: str) -> Iterator[Problem]:
    """A file that is not this user's own, or that others may write: it is not read."""
    near = near_store()
    if near is None:
        return
    try:
        require_own(near.path)
    except FileNotFoundError:
        return  # the subject "near follower" names it
    except UntrustedNearFile as error:
        yield Problem("W037", str(error))


@diagnosis("near follower", Asks.RUNNING)
def unfollowed(alias: str) -> Iterator[Problem]:
    """A near store of this host that no process keeps true, so that nobody reads it."""
    near = near_store()
    if near is not None and not near.is_followed:
        yield Problem(
            "W025",
            f"No process follows for the near store {near.path!r} on this host: its readers "
            "ask the store.",
            "Run `manage.py kck_listen`, or `manage.py kck_listen --near-only`, on this host and "
            "as the user of its readers.",
        )
