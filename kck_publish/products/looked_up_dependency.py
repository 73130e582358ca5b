"""Looked: a dependency whose keys have to be looked up: asked for many changes at once."""

from __future__ import annotations

from .depends import Depends


class Looked(Depends):
    """A dependency whose ``targets_of`` is asked."""

    @property
    def how(self) -> str:
        """The mapping to keys, for the graph."""
        raise NotImplementedError

    looked = True
