"""One round trip: several statements in one message to the server, and one wait for all answers.

psycopg's own pipeline sends each statement as it comes, so the server wakes for each of them; and a
cursor for each costs more than the statement. Here libpq gathers them, and the server wakes once.
Values are converted as for psycopg's cursors, by its ``Transformer``.
Source: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

from .answer import Answer
from .desk import answers, together
from .prepared import STALE, note
from .trip import RoundTrip

__all__ = ["STALE", "Answer", "RoundTrip", "answers", "note", "together"]
