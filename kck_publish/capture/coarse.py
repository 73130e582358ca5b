"""The coarse form of a capture function, for while columns come and go.

It names no column, and logs "the whole source has changed". A function that names a column that is
gone makes every write of its table fail, so ``migrate`` puts the coarse form there before, and the
listener's round, like the end of each ``migrate``, where a column was renamed or dropped by hand.
"""

from __future__ import annotations

from django.db import connections

from ..postgres import Cursor
from . import catalog, record_change_sql, trigger_function_sql
from .catalog import Installed
from .locks import alone


def make_coarse(cursor: Cursor, trigger: Installed) -> None:
    """Replace the function of a trigger by its coarse form, which is told by the comment."""
    body = record_change_sql.coarse_body(trigger.table, trigger.op)
    cursor.execute(trigger_function_sql.function_sql(trigger.table, trigger.op, body))
    cursor.execute(
        f"COMMENT ON TRIGGER {trigger.trigger} ON {trigger.relation}"
        f" IS '{record_change_sql.COARSE}'"
    )


def fall_back(using: str, soon: bool = False) -> list[str]:
    """Make coarse what names a column that is gone.

    Args:
        using: the alias.
        soon: wait for no lock for long.

    Returns:
        A line for each trigger concerned.
    """
    if not any(trigger.missing_columns for trigger in catalog.installed(connections[using])):
        return []
    done = []
    with alone(using, soon) as cursor:
        broken = [
            trigger for trigger in catalog.installed(connections[using]) if trigger.missing_columns
        ]
        functions = {trigger.trigger for trigger in broken}
        for trigger in catalog.installed(connections[using]):
            if trigger.trigger in functions:
                make_coarse(cursor, trigger)
                done.append(
                    f"made {trigger.trigger} on {trigger.relation} coarse: the table has no column "
                    f"{', '.join(trigger.missing_columns)} any more"
                )
    return done
