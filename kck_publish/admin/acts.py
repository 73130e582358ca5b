"""The acts of an operator: what a button does, and the entries that are selected for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True)
class Selection:
    """The entries, products or letters that an act is for.

    Attributes:
        names: those of the page's boxes; empty where all that match are meant.
        everything: whether all that match are meant.
        which: what matches, in words; for the log.
    """

    names: Sequence[str]
    everything: bool
    which: str


@dataclass(frozen=True)
class Act:
    """One button of a page.

    Attributes:
        label: its text.
        run: does it, and records it; gives a sentence for the operator, or a page of its own.
        confirm: whether it is confirmed even on what was selected one by one.
        dangerous: whether the button warns by its colour.
    """

    label: str
    run: Callable[[HttpRequest, Selection], str | HttpResponse]
    confirm: bool = False
    dangerous: bool = False
