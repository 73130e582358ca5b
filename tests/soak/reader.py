"""A reader: asks for products of all kinds, and so primes what is not stored.

    python -m tests.soak.reader NUMBER SEED

An answer may be a moment old, but it is whole: what its parts say of each other holds.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import django
import psycopg

from tests.soak.children import Orders, die_with_parent


class Reader:
    """One reader's state."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pks: list[int] = []
        self.reads = 0
        self.errors: Counter[str] = Counter()

    def run(self, orders: Orders) -> None:
        """Read until stdin ends."""
        from django.core.exceptions import ObjectDoesNotExist
        from django.db import Error, connection

        from tests.soak.primers import BrokenError

        while not orders.ending:
            if orders.pausing:
                connection.close()
                orders.rest()
                continue
            try:
                self.random.choice(self.ways())()
                self.reads += 1
            except (ObjectDoesNotExist, BrokenError):
                self.reads += 1
            except (Error, psycopg.Error) as error:
                self.errors[type(error.__cause__ or error).__name__] += 1
                if not connection.is_usable():
                    connection.close()
                    time.sleep(0.02)
            time.sleep(self.random.random() * 0.01)

    def ways(self) -> list[Callable[[], Any]]:
        return [
            self.rows,
            self.lookups,
            self.lists,
            self.sums,
            self.pages,
            self.diamonds,
            self.many,
            self.boards,
        ]

    def account(self) -> int:
        """Some account, perhaps one that is gone by now."""
        from tests.soak.models import Account

        if not self.pks or self.random.random() < 0.02:
            self.pks = list(Account.objects.values_list("pk", flat=True))
        return self.random.choice(self.pks or [1])

    def rows(self) -> None:
        from tests.soak.models import Account, Team

        pk = self.account()
        assert Account.cached.get(pk=pk).pk == pk
        Team.cached.get(pk=self.random.randint(1, 9)).roster()

    def lookups(self) -> None:
        from tests.soak.models import Account
        from tests.soak.operations import CITIES, SLUGS

        slug, city = self.random.choice(SLUGS), self.random.choice(CITIES)
        found = Account.cached.in_bulk([slug, *self.random.sample(SLUGS, 3)], field_name="slug")
        assert all(row.slug == asked for asked, row in found.items())
        assert Account.cached.get(slug=slug, city=city).city == city

    def lists(self) -> None:
        from tests.soak.models import Account
        from tests.soak.operations import CITIES

        city = self.random.choice(CITIES)
        assert all(row.city == city for row in Account.cached.filter(city=city))

    def sums(self) -> None:
        from tests.soak.primers import Marks, PostingIds, PostingSum

        account = self.account()
        assert PostingSum.cached.get(account=account)["count"] >= 0
        ids = PostingIds.cached.get(account=account)
        assert len(set(ids)) == len(ids), f"posting_ids/{account} has one twice"
        Marks.cached.get()

    def pages(self) -> None:
        from tests.soak.primers import AccountPage, Breakable, tags_of

        account = self.account()
        AccountPage.cached.get(account=account)
        tags_of.cached.get(account=account)
        Breakable.cached.get(account=account)

    def diamonds(self) -> None:
        from tests.soak.primers import TeamReport, ranking

        TeamReport.cached.get(team=self.random.randint(1, 8))
        assert len(ranking.cached.get()) == 8

    def many(self) -> None:
        from kck_publish import Cache

        keys = [f"{product}/{self.account()}" for product in ("posting_ids", "posting_sum")]
        Cache.get_instance().get_many([*keys, "team_total/1", "marks", "no_such_product"])

    def boards(self) -> None:
        from tests.soak.operations import CITIES
        from tests.soak.primers import CityBoard

        CityBoard.cached.get(city=self.random.choice(CITIES))


def main() -> None:
    """The process."""
    die_with_parent()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")
    django.setup()
    reader = Reader(int(sys.argv[2]))
    reader.run(Orders())
    print(f"reads {reader.reads} errors {dict(reader.errors)}", flush=True)


if __name__ == "__main__":
    main()
