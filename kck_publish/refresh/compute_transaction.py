"""The transaction that a batch, or a look of ``kck_verify``, computes in: one snapshot.

User code that fails in it may leave it aborted. It is then set back to a savepoint, so that the
snapshot is kept and the other keys are computed.
"""

from __future__ import annotations

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

KEEP = "SAVEPOINT kck_publish_compute"
_BACK = "ROLLBACK TO SAVEPOINT kck_publish_compute"


class ComputeTransaction:
    """Django's current transaction, after ``KEEP`` was executed in it.

    Args:
        connection: Django's.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def recover(self) -> None:
        """After an error: back to the last ``KEEP``, if the server asks for it.

        Raises:
            OperationalError: the connection is lost, and the snapshot with it.
        """
        raw = self._connection.connection
        if raw is None or raw.broken:
            raise psycopg.OperationalError("the computing connection is lost")
        # An atomic(savepoint=False), or a save(), leaves this behind after any error.
        self._connection.needs_rollback = False
        if raw.info.transaction_status == TransactionStatus.INERROR:
            with self._connection.cursor() as cursor:
                cursor.execute(_BACK)
