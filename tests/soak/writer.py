"""A writer: transactions of all kinds, one after the other, until told to stop.

    python -m tests.soak.writer NUMBER SEED

Each transaction notes in the ledger what it does; when its commit was acknowledged, a line goes to
the writer's journal. A transaction that ends in an error is one that did not happen, unless the
error was at its commit: then the ledger knows. Now and then the writer reads what it has just
written to an account that is its own, through the cache: it must be there.
"""

from __future__ import annotations

import os
import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
import psycopg

from tests.soak.children import Orders, die_with_parent

LEVELS = ["READ COMMITTED", "READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
NOTE = (
    "INSERT INTO soak_ledger (token, kind, account, changes, count, total) "
    "VALUES (%s, %s, %s, %s, %s, %s)"
)
# A writer that is stopped, or dead on its feet, must not hold up the others for ever.
LOCK_TIMEOUT = "500ms"
PRIVATE = 8  # accounts 1 to 8 belong to one writer each
TEAMS = 8


class GiveUpError(Exception):
    """Roll back on purpose."""


class Writer:
    """One writer's state."""

    def __init__(self, number: int, seed: int, folder: Path) -> None:
        from tests.soak.operations import Hand

        self.number = number
        self.random = random.Random(seed)
        self.hand = Hand(self.random, PRIVATE, TEAMS, number)
        self.journal = os.open(
            folder / f"journal-{number}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
        )
        self.long: tuple[psycopg.Connection[Any], str, int, float] | None = None
        self.session = 0  # that has last written to the own account
        self.aborted: Counter[str] = Counter()

    def run(self, orders: Orders) -> None:
        """Write until stdin ends."""
        from django.core.exceptions import ObjectDoesNotExist
        from django.db import Error, connection

        while not orders.ending:
            if orders.pausing and self.long is None:
                connection.close()
                orders.rest()
                continue
            try:
                if orders.pausing:
                    self.end_long()
                else:
                    self.step()
            except (Error, psycopg.Error, ObjectDoesNotExist, GiveUpError) as error:
                cause = error.__cause__ or error
                self.aborted[type(cause).__name__] += 1
                if not connection.is_usable():
                    connection.close()
                    time.sleep(0.02)

    def step(self) -> None:
        """One transaction, or a step of the long one."""
        choice = self.random.random()
        if self.long is not None and (choice < 0.1 or time.monotonic() > self.long[3]):
            self.end_long()
        elif self.long is None and choice < 0.03:
            self.begin_long()
        elif choice < 0.08:
            self.own()
        elif choice < 0.2 and self.long is None:  # which it would wait for without end
            self.one_statement()
        else:
            self.transaction()

    def transaction(self) -> None:
        """One to four operations, some in savepoints, some taken back."""
        from django.db import connection, transaction

        from tests.soak import operations, orm_operations

        token, deeds = uuid.uuid4().hex, []
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {self.random.choice(LEVELS)}")
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            for _ in range(self.random.randint(1, 4)):
                some = operations.SHORT if self.random.random() < 0.6 else orm_operations.ORM
                operation = self.pick(some)
                if self.random.random() < 0.3:
                    with suppress(GiveUpError), transaction.atomic():
                        done = operation(cursor, self.hand)
                        if self.random.random() < 0.5:
                            raise GiveUpError
                        deeds += done
                else:
                    deeds += operation(cursor, self.hand)
            if self.random.random() < 0.05:
                time.sleep(self.random.random() * 0.1)
            if self.random.random() < 0.1:
                raise GiveUpError
            self.note(cursor, token, deeds)
        self.acknowledged(token, deeds)

    def one_statement(self) -> None:
        """A statement that is a transaction of its own; the ledger is written by the same one."""
        from django.db import connection

        token, uid, amount = uuid.uuid4().hex, self.hand.uid(), self.hand.amount()
        with connection.cursor() as cursor:
            account = self.hand.account(cursor)
            cursor.execute(
                "WITH noted AS (INSERT INTO soak_ledger (token, kind, account, changes, count, "
                "total) VALUES (%s, 'statement', %s, 1, 1, %s)) "
                "INSERT INTO soak_posting (account_id, uid, amount, note) VALUES (%s, %s, %s, '')",
                [token, account, amount, account, uid, amount],
            )
        self.line(token, 1)

    def own(self) -> None:
        """Write to the own account, and read it back: in the transaction, after it, after none."""
        from django.db import connection, transaction

        from tests.soak.models import Posting
        from tests.soak.operations import Deed
        from tests.soak.primers import PostingIds, PostingSum, complain

        token, uid, amount = uuid.uuid4().hex, self.hand.uid(), self.hand.amount()
        deed = Deed("own", 1, self.number, 1, amount)
        give_up = self.random.random() < 0.2
        with suppress(GiveUpError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()
            rows = Posting.objects.filter(account_id=self.number)
            if len(old := list(rows.order_by("uid").values_list("uid", "amount"))) > 20:
                rows.filter(uid=old[0][0]).delete()
                deed = Deed("own", 2, self.number, 0, amount - old[0][1])
            Posting.objects.create(account_id=self.number, uid=uid, amount=amount)
            if uid not in PostingIds.cached.get(account=self.number):
                complain(f"own: {uid} is not in posting_ids/{self.number} inside its transaction")
            if give_up:
                raise GiveUpError
            self.note(cursor, token, [deed])
        if not give_up:
            self.acknowledged(token, [deed])
            self.session = backend
        ids = PostingIds.cached.get(account=self.number)
        total = PostingSum.cached.get(account=self.number)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            if cursor.fetchone() != (self.session,):
                return  # another session knows nothing of what we have written last
            cursor.execute(
                "SELECT count(*), coalesce(sum(amount), 0) FROM soak_posting WHERE account_id = %s",
                [self.number],
            )
            count, amounts = cursor.fetchone()
        if (uid in ids) == give_up or len(ids) != count:
            complain(f"own: posting_ids/{self.number} after {uid}, rolled back: {give_up}")
        if total != {"count": count, "sum": amounts}:
            complain(f"own: posting_sum/{self.number} after {uid}, rolled back: {give_up}")

    def begin_long(self) -> None:
        """Begin what stays open for a while, on a connection of its own."""
        from django.db import connection

        from tests.soak import operations

        parameters = connection.get_connection_params()
        for name in ("cursor_factory", "context"):
            parameters.pop(name, None)
        raw = psycopg.connect(**parameters)
        token, deeds = uuid.uuid4().hex, []
        self.long = raw, token, 0, time.monotonic() + self.random.random() * 3
        cursor = raw.cursor()
        try:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {self.random.choice(LEVELS)}")
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            for _ in range(self.random.randint(1, 2)):
                deeds += self.pick(operations.LONG)(cursor, self.hand)
            self.note(cursor, token, deeds)
        except BaseException:
            self.long = None
            raw.close()
            raise
        self.long = raw, token, sum(one.changes for one in deeds), self.long[3]

    def end_long(self) -> None:
        """Commit it, mostly."""
        if self.long is None:
            return
        (raw, token, changes, _), self.long = self.long, None
        with raw:
            if self.random.random() < 0.15:
                raw.rollback()
                return
            raw.commit()
        self.line(token, changes)

    def pick(self, operations: Mapping[Any, int]) -> Any:
        return self.random.choices(list(operations), list(operations.values()))[0]

    def note(self, cursor: Any, token: str, deeds: Sequence[Any]) -> None:
        """Into the ledger, in the transaction that it tells of."""
        cursor.executemany(
            NOTE,
            [[token, o.kind, o.account, o.changes, o.count, o.total] for o in deeds]
            or [[token, "nothing", 0, 0, 0, 0]],
        )

    def acknowledged(self, token: str, deeds: Sequence[Any]) -> None:
        self.line(token, sum(one.changes for one in deeds))

    def line(self, token: str, changes: int) -> None:
        """Into the journal: the server has said that this is committed."""
        os.write(self.journal, f"{token} {changes}\n".encode())


def main() -> None:
    """The process."""
    die_with_parent()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")
    django.setup()
    number, seed = int(sys.argv[1]), int(sys.argv[2])
    writer = Writer(number, seed, Path(os.environ["SOAK_FOLDER"]))
    writer.run(Orders())
    print(f"aborted {dict(writer.aborted)}", flush=True)


if __name__ == "__main__":
    main()
