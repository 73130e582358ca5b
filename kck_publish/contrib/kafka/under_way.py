"""Messages that a client has, and what the broker has answered of them so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .outgoing import Outgoing

# Refused as they are, however often they are sent.
WAITS = "AFTER_A_REFUSED_ONE"
REFUSED = ("MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "INVALID_MSG", "INVALID_MSG_SIZE", WAITS)


class Batch:
    """Messages under way.

    Attributes:
        left: those that are not acknowledged, as far as it is known.
        held: the keys of which nothing is sent any more: a message of theirs was refused.
        refused: those that are given back, each with the name of the error.
        results: of each that is left; None while the broker has not answered, "" for its yes.
    """

    def __init__(self, messages: Sequence[Outgoing], held: set[bytes]) -> None:
        self.left = list(messages)
        self.held = held
        self.refused: list[tuple[Outgoing, str]] = []
        self.results: list[str | None] = []

    def settle(self, why: str) -> str:
        """Leave what must be sent again: all from the first on that is not acknowledged.

        Args:
            why: something before it is not: then all of it; else "".

        Returns:
            why it, or what follows it, must be sent again; "" when all is well.
        """
        left = []
        for message, result in zip(self.left, self.results, strict=True):
            if result in REFUSED:
                self.refused.append((message, str(result)))
                if message.key is not None:
                    self.held.add(message.key)
            elif why or result != "":
                left.append(message)
                why = why or result or "UNKNOWN"
        self.left, self.results = left, []
        return why


def note(results: list[str | None], index: int, error: Any, message: Any) -> None:
    """What the broker has answered of one message."""
    results[index] = "" if error is None else error.name()
