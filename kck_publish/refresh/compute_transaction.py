"""The transaction that a batch, or a look of ``kck_verify``, computes in: one snapshot.

User code that fails in it may leave it aborted. It is then set back to a savepoint, so that the
snapshot is kept and the other keys are computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

KEEP = "SAVEPOINT kck_publish_compute"
BACK = "ROLLBACK TO SAVEPOINT kck_publish_compute"


class ComputeTransaction:
    """Django's current transaction, after ``KEEP`` was executed in it.

    Args:
        connection: Django's.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def check(self) -> None:
        """See that the connection is not lost. Raises OperationalError."""
        raw = self._connection.connection
        if raw is None or raw.closed:
            raise psycopg.OperationalError("the computing connection is lost")

    def recover(self, keys: Sequence[str] = ()) -> None:
        """After an error in the compute of keys: back to the last ``KEEP``, if the server asks.

        Raises:
            OperationalError: the connection is lost, and the snapshot with it.
        """
        self.check()
        # An atomic(savepoint=False), or a save(), leaves this behind after any error.
        self._connection.needs_rollback = False
        if self._connection.connection.info.transaction_status == TransactionStatus.INERROR:
            with self._connection.cursor() as cursor:
                cursor.execute(BACK)
