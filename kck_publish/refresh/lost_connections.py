"""Which keys were being computed when the server ended the connection: the suspects of a loss.

The whole batch is repeated after a loss. If a compute causes it, the batch would be repeated for
ever, and nothing else refreshed. So keys under suspicion are computed one by one, and a key under
whose compute the connection was lost again and again fails, as by any other error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..exceptions import ConnectionLost

# After so many losses a key fails.
MOST = 3


class Losses:
    """The losses of one listener, by key; kept while it connects again."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._failed: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether any key is under suspicion."""
        return bool(self._counts)

    def happened(self, keys: Sequence[str]) -> None:
        """The connection was lost while these keys were computed."""
        self._counts.update(keys)

    def admit(self, keys: Sequence[str], alone: bool) -> None:
        """See whether these keys may be computed.

        Args:
            keys: that are computed in one go.
            alone: whether no smaller piece can be tried instead.

        Raises:
            ConnectionLost: one of them has to fail, or to be tried alone.
        """
        for key in keys:
            if self._counts[key] >= (MOST if alone else 1):
                if alone:
                    self._failed.add(key)
                raise ConnectionLost(key, self._counts[key])

    def written(self) -> None:
        """A batch was written: no suspicion is left, but that each retry has one try."""
        self._counts = Counter(dict.fromkeys(self._failed, MOST - 1))
        self._failed.clear()
