"""Columns whose equal values have several texts: as a lookup they would miss rows that exist.

A key is the text of its values, and the database finds ``Ann`` by ``ANN`` in a citext column, by a
collation that is not deterministic, and with blanks after it in a char(n). A lookup, a list or a
parameter by such a column is refused where it is declared.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import connections
from django.db.models import Field

from ..conf import settings
from ..exceptions import InvalidPrimer

_TYPES = re.compile(r"\W*(citext|bpchar|char|character)\b(?! varying)", re.IGNORECASE)
# PostgreSQL's own collations compare byte by byte in the end; CREATE COLLATION makes others.
_OWN = re.compile(
    r"(default|C|POSIX|ucs_basic|unicode|pg_c_utf8|pg_unicode_fast|.+-x-icu|[a-z]{2,3}(_[A-Z]{2})?"
    r"(\.[\w-]+)?(@\w+)?)"
)


def inexact(field: Field[Any, Any]) -> str | None:
    """The reason why equal values of a column differ in their text; None where they do not."""
    column = field.db_parameters(connections[settings.DATABASE])
    kind, collation = column["type"], column.get("collation")
    if kind is not None and _TYPES.match(kind) and kind != '"char"':
        return f"of the type {kind}"
    if collation and not _OWN.fullmatch(collation):
        return f"of the collation {collation!r}, which may not be deterministic"
    return None


def check_exact(field: Field[Any, Any], where: str) -> None:
    """Refuse a column as a lookup.

    Raises:
        InvalidPrimer: equal values of it have several texts.
    """
    why = inexact(field)
    if why is not None:
        raise InvalidPrimer(
            f"{where}: {field} is {why}: values that differ are equal to the database, and a key "
            "is found by its exact text. Leave it out, or look up by a column that has one form "
            "only: a GeneratedField with Lower() of a text column, say."
        )
