"""Of which server the numbers of transactions are: expressions of SQL.

Snapshots of two clusters cannot be compared. Nor can those of two timelines of one: a standby that
is promoted without the last commits gives their numbers to others.
"""

from __future__ import annotations

from ..postgres import Cursor

#: The cluster, as text: another one after a dump is restored, or a logical upgrade.
CLUSTER = "(SELECT system_identifier::text FROM pg_control_system())"
#: With its timeline: of the last checkpoint, or the later one that recovery has come to.
TIMELINE = f"""({CLUSTER} || '/' || greatest(
    (SELECT timeline_id FROM pg_control_checkpoint()),
    (SELECT min_recovery_end_timeline FROM pg_control_recovery())))
"""


def timeline(cursor: Cursor) -> int:
    """The number of the timeline: it grows with each promotion, and each restore to a moment."""
    cursor.execute(f"SELECT {TIMELINE}")
    return int(str(cursor.fetchone()[0]).rpartition("/")[2])
