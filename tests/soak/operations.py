"""What writers do: each function makes one kind of change, and tells what it did to postings.

Each is given a cursor of an open transaction (Django's, or psycopg's for the long ones); those that
use the ORM are in `orm_operations`. An operation that cannot be done raises a DatabaseError, and
its transaction is rolled back, as anybody's is.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kck_publish.postgres import Cursor

CITIES = ["Bern", "Brno", "Graz", "Lyon", "Oslo", "Turku", "Vaasa"]
SLUGS = [f"slug-{number}" for number in range(260)]
TAGS = range(1, 9)
# An account with more postings than this loses half of them.
MANY = 80


@dataclass(frozen=True)
class Deed:
    """What an operation did: so many changed rows, and to whose postings.

    Attributes:
        account: 0 where no posting was touched.
        count: by how many the account has more postings.
        total: by how much the sum of its amounts has grown.
    """

    kind: str
    changes: int
    account: int = 0
    count: int = 0
    total: int = 0


@dataclass
class Hand:
    """One writer's hand: its choices, and which rows are its to touch.

    Attributes:
        private: accounts up to this pk belong to one writer each, and are not for all.
        teams: the teams' pks go up to this.
    """

    random: random.Random
    private: int
    teams: int
    number: int
    _uids: Any = None

    def __post_init__(self) -> None:
        # A writer is started anew after it was killed: no two ever give the same.
        first = (time.time_ns() // 1000 % 10**14) * 100 + self.number
        self._uids = itertools.count(first * 1000 % 2**62, 1)

    def uid(self) -> int:
        return int(next(self._uids))

    def amount(self) -> int:
        return self.random.randrange(-50, 100)

    def account(self, cursor: Cursor) -> int:
        """Some account that is there; 0 if there is none."""
        return next(iter(self.accounts(cursor, 1)), 0)

    def accounts(self, cursor: Cursor, number: int) -> list[int]:
        cursor.execute("SELECT id FROM soak_account WHERE id > %s ORDER BY id", [self.private])
        found = [row[0] for row in cursor.fetchall()]
        return self.random.sample(found, min(number, len(found)))

    def team(self) -> int:
        return self.random.randint(1, self.teams)


Operation = Callable[[Any, Hand], list[Deed]]


def insert(cursor: Cursor, hand: Hand) -> list[Deed]:
    """One statement, some rows."""
    account, amounts = hand.account(cursor), _amounts(hand, 12)
    cursor.execute(
        "INSERT INTO soak_posting (account_id, uid, amount, note) "
        "SELECT %s, u, a, '' FROM unnest(%s::bigint[], %s::int[]) AS rows (u, a)",
        [account, [hand.uid() for _ in amounts], amounts],
    )
    return [Deed("insert", len(amounts), account, len(amounts), sum(amounts))]


def copy(cursor: Cursor, hand: Hand) -> list[Deed]:
    """COPY, to several accounts."""
    deeds = []
    raw: Any = getattr(cursor, "cursor", cursor)  # Django's cursor has psycopg's inside
    accounts = hand.accounts(cursor, hand.random.randint(1, 8))
    statement = "COPY soak_posting (account_id, uid, amount, note) FROM STDIN"
    with raw.copy(statement) as into:
        for account in accounts:
            amounts = _amounts(hand, 40)
            for amount in amounts:
                into.write_row((account, hand.uid(), amount, "copied"))
            deeds.append(Deed("copy", len(amounts), account, len(amounts), sum(amounts)))
    return deeds


def upsert(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Some new rows, some that are there already."""
    account = hand.account(cursor)
    old = _lock_some(cursor, account, hand.random.randint(0, 10))
    rows = {uid: hand.amount() for uid in old} | {hand.uid(): hand.amount() for _ in range(5)}
    cursor.execute(
        "INSERT INTO soak_posting (account_id, uid, amount, note) "
        "SELECT %s, u, a, '' FROM unnest(%s::bigint[], %s::int[]) AS rows (u, a) "
        "ON CONFLICT (uid) DO UPDATE SET amount = excluded.amount",
        [account, list(rows), list(rows.values())],
    )
    grown = sum(rows.values()) - sum(old.values())
    return [Deed("upsert", len(rows), account, len(rows) - len(old), grown)]


def merge(cursor: Cursor, hand: Hand) -> list[Deed]:
    """MERGE: updates, inserts and deletes in one statement."""
    account = hand.account(cursor)
    old = _lock_some(cursor, account, hand.random.randint(0, 10))
    gone = set(list(old)[: len(old) // 2])
    rows = {uid: hand.amount() for uid in old} | {hand.uid(): hand.amount() for _ in range(4)}
    cursor.execute(
        "MERGE INTO soak_posting p "
        "USING unnest(%s::bigint[], %s::int[], %s::bool[]) AS rows (u, a, gone) ON p.uid = u "
        "WHEN MATCHED AND gone THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET amount = a "
        "WHEN NOT MATCHED THEN INSERT (account_id, uid, amount, note) VALUES (%s, u, a, '')",
        [list(rows), list(rows.values()), [uid in gone for uid in rows], account],
    )
    grown = sum(amount for uid, amount in rows.items() if uid not in gone) - sum(old.values())
    return [Deed("merge", len(rows), account, len(rows) - len(old) - len(gone), grown)]


def update(cursor: Cursor, hand: Hand) -> list[Deed]:
    """All of an account's postings at once."""
    account, more = hand.account(cursor), hand.random.randrange(1, 5)
    cursor.execute(
        "UPDATE soak_posting SET amount = amount + %s WHERE account_id = %s", [more, account]
    )
    return [Deed("update", cursor.rowcount, account, 0, cursor.rowcount * more)]


def touch(cursor: Cursor, hand: Hand) -> list[Deed]:
    """A column that nobody depends on, and an update that changes nothing: no changes at all."""
    account = hand.account(cursor)
    cursor.execute("UPDATE soak_posting SET note = 'n' WHERE account_id = %s", [account])
    cursor.execute("UPDATE soak_posting SET amount = amount WHERE account_id = %s", [account])
    return [Deed("touch", 0)]


def move(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Postings of one account become another's."""
    accounts = hand.accounts(cursor, 2)
    old = _lock_some(cursor, accounts[0], 15)
    cursor.execute(
        "UPDATE soak_posting SET account_id = %s WHERE uid = ANY (%s)", [accounts[-1], list(old)]
    )
    count, total = len(old), sum(old.values())
    there = Deed("move", count, accounts[-1], count, total)
    return [Deed("move", 0, accounts[0], -count, -total), there]


def delete(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Some, or half of many."""
    account = hand.account(cursor)
    cursor.execute("SELECT count(*) FROM soak_posting WHERE account_id = %s", [account])
    (there,) = cursor.fetchone()
    old = _lock_some(cursor, account, there // 2 if there > MANY else 5)
    cursor.execute("DELETE FROM soak_posting WHERE uid = ANY (%s)", [list(old)])
    return [Deed("delete", len(old), account, -len(old), -sum(old.values()))]


def renumber(cursor: Cursor, hand: Hand) -> list[Deed]:
    """An account's own primary key changes, and its postings follow."""
    account = hand.account(cursor)
    cursor.execute("SELECT FROM soak_account WHERE id = %s FOR UPDATE", [account])
    cursor.execute("DELETE FROM soak_account_tags WHERE account_id = %s", [account])
    tags = cursor.rowcount
    cursor.execute(
        "UPDATE soak_account SET id = nextval('soak_account_id_seq') WHERE id = %s RETURNING id",
        [account],
    )
    if (row := cursor.fetchone()) is None:
        return []
    cursor.execute(
        "WITH moved AS (UPDATE soak_posting SET account_id = %s WHERE account_id = %s "
        "RETURNING amount) SELECT count(*), coalesce(sum(amount), 0) FROM moved",
        [row[0], account],
    )
    count, total = cursor.fetchone()
    there = Deed("renumber", 1 + tags + count, row[0], count, total)
    return [Deed("renumber", 0, account, -count, -total), there]


def reslug(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Another slug, perhaps one that another account has just given up."""
    cursor.execute(
        "UPDATE soak_account SET slug = %s WHERE id = %s",
        [hand.random.choice(SLUGS), hand.account(cursor)],
    )
    return [Deed("reslug", cursor.rowcount)]


def swap(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Two accounts swap their slugs."""
    pks = hand.accounts(cursor, 2)
    cursor.execute("SELECT id, slug FROM soak_account WHERE id = ANY (%s) FOR UPDATE", [pks])
    rows = dict(cursor.fetchall())
    if len(rows) < 2:
        return []
    one, two = pks
    for pk, slug in ((one, f"tmp-{os.getpid()}"), (two, rows[one]), (one, rows[two])):
        cursor.execute("UPDATE soak_account SET slug = %s WHERE id = %s", [slug, pk])
    return [Deed("swap", 3)]


def relocate(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Another city and another team; sometimes all of a city move, and the city is no more."""
    if hand.random.random() < 0.2:
        cities = hand.random.sample(CITIES, 2)
        cursor.execute(
            "UPDATE soak_account SET city = %s WHERE city = %s AND id > %s",
            [*cities, hand.private],
        )
    else:
        cursor.execute(
            "UPDATE soak_account SET city = %s, team_id = %s WHERE id = ANY (%s)",
            [hand.random.choice(CITIES), hand.team(), hand.accounts(cursor, 6)],
        )
    return [Deed("relocate", cursor.rowcount)]


def rename(cursor: Cursor, hand: Hand) -> list[Deed]:
    """A team's name: many pages show it."""
    cursor.execute(
        "UPDATE soak_team SET name = %s WHERE id = %s",
        [f"team {hand.random.randrange(10**6)}", hand.team()],
    )
    return [Deed("rename", cursor.rowcount)]


def mark(cursor: Cursor, hand: Hand) -> list[Deed]:
    """Rows of a table that is truncated now and then."""
    if hand.random.random() < 0.15:
        cursor.execute("TRUNCATE soak_mark")
        return [Deed("truncate", 1)]
    weights = _amounts(hand, 6)
    cursor.execute("INSERT INTO soak_mark (weight) SELECT unnest(%s::int[])", [weights])
    return [Deed("mark", len(weights))]


def _amounts(hand: Hand, most: int) -> list[int]:
    return [hand.amount() for _ in range(hand.random.randint(1, most))]


def _lock_some(cursor: Cursor, account: int, number: int) -> dict[int, int]:
    """The amounts of some of an account's postings, by uid; nobody else changes them now."""
    cursor.execute(
        "SELECT uid, amount FROM soak_posting WHERE account_id = %s ORDER BY uid LIMIT %s "
        "FOR UPDATE",
        [account, number],
    )
    return dict(cursor.fetchall())


# With how often each is chosen. TRUNCATE holds readers up until its transaction ends, so it is
# not among those of the long transactions.
LONG: dict[Operation, int] = {
    insert: 8,
    copy: 4,
    upsert: 6,
    merge: 5,
    update: 4,
    touch: 1,
    move: 5,
    delete: 12,
    renumber: 1,
    reslug: 3,
    swap: 2,
    relocate: 2,
    rename: 1,
}
SHORT: dict[Operation, int] = {**LONG, mark: 2}
