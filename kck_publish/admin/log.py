"""Records what operators do in Django's log of the admin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest

# What the log shows of an object's text.
LONGEST = 200


def record(
    request: HttpRequest,
    model: type[Model],
    names: Iterable[str],
    message: str,
    deletes: bool = False,
) -> None:
    """Record an act, on each of these.

    Args:
        model: the page's.
        names: keys, or products.
        message: what was done.
        deletes: whether they are gone.
    """
    _write(request, model, [(name, name) for name in names], message, deletes)


class Line:
    """The one line of an act on all that matched; it says at any time what is done so far.

    An act of many portions may be cut off, as a worker's time limit does: what was done is recorded
    in the transaction that did it.

    Args:
        which: what matched, in words.
        deletes: whether it is gone.
    """

    def __init__(
        self, request: HttpRequest, model: type[Model], which: str, deletes: bool = False
    ) -> None:
        self._about = request, model, [(None, which)]
        self._deletes = deletes
        self._written: LogEntry | None = None

    def says(self, message: str) -> None:
        """Record it, in place of what the line said before."""
        if self._written is None:
            (self._written,) = _write(*self._about, message, self._deletes)
        else:
            self._written.change_message = message
            self._written.save(update_fields=["change_message"])


def _write(
    request: HttpRequest,
    model: type[Model],
    objects: Iterable[tuple[str | None, str]],
    message: str,
    deletes: bool,
) -> list[LogEntry]:
    user: Any = request.user
    content_type = ContentType.objects.get_for_model(model)
    return LogEntry.objects.bulk_create(
        LogEntry(
            user_id=user.pk,
            content_type_id=content_type.pk,
            object_id=name,
            object_repr=text[:LONGEST],
            action_flag=DELETION if deletes else CHANGE,
            change_message=message,
        )
        for name, text in objects
    )
