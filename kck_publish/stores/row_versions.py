"""The versions of rows go on above all that anybody has seen, in a database restored since, too.

No version is given out a million times a second, so the clock is ahead of them.
"""

from __future__ import annotations

import logging

from ..postgres import Cursor

logger = logging.getLogger("kck_publish")

# Asked first: a refused setval is an error in the server's log.
_MAY = "SELECT has_sequence_privilege('kck_publish_version'::regclass, 'UPDATE')"
# Seconds are counted in microseconds.
_ADVANCE = """
SELECT setval('kck_publish_version', ahead) FROM (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS ahead) clock
 WHERE ahead > coalesce(pg_sequence_last_value('kck_publish_version'::regclass), 1) + 1000000
"""


def advance_versions(cursor: Cursor) -> None:
    """Set the next version to the clock's, where it is behind that. The cursor is in autocommit."""
    cursor.execute(_MAY)
    (may,) = cursor.fetchone() or (False,)
    if may:
        cursor.execute(_ADVANCE)
    else:
        logger.info(
            "GRANT UPDATE ON SEQUENCE kck_publish_version to this role, so that versions go "
            "on where they were after a dump is restored."
        )
