"""The folder that the near store's file is in."""

from __future__ import annotations

from collections.abc import Iterator

from ..conf import settings
from ..stores.near.ownership import others_may_write
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
