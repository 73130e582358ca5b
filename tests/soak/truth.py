"""What every product should be, by SQL and plain Python: nothing of the library is asked.
(But what identifies a key: the value of a domain is made of that.)

All tables are read in one transaction of a session of the soak's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from kck_publish import Cache
from kck_publish.log.keys import identify


class Absent:
    """There is no such thing."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()
POSTINGS = "SELECT account_id, uid, amount FROM soak_posting ORDER BY uid"
LEDGER = """
SELECT account, sum(count)::bigint, sum(total)::bigint FROM soak_ledger
 WHERE account > 0 GROUP BY account
"""


@dataclass
class Truth:
    """The tables' contents."""

    teams: dict[int, str] = field(default_factory=dict)
    accounts: dict[int, tuple[int, str, str]] = field(default_factory=dict)  # team, slug, city
    tags: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    postings: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    marks: list[int] = field(default_factory=list)
    probes: dict[int, int] = field(default_factory=dict)
    ledger: dict[int, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: psycopg.Connection[Any]) -> Truth:
        """Read everything."""
        found = cls()
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            ask = connection.execute
            found.teams = dict(ask("SELECT id, name FROM soak_team").fetchall())
            for pk, *rest in ask("SELECT id, team_id, slug, city FROM soak_account"):
                found.accounts[pk] = (rest[0], rest[1], rest[2])
            for account, tag in ask("SELECT account_id, tag_id FROM soak_account_tags"):
                found.tags[account].append(tag)
            for account, uid, amount in ask(POSTINGS):
                found.postings[account].append((uid, amount))
            found.marks = [row[0] for row in ask("SELECT weight FROM soak_mark")]
            found.probes = dict(ask("SELECT id, count FROM soak_probe").fetchall())
            found.ledger = {row[0]: (row[1], row[2]) for row in ask(LEDGER)}
        return found

    def disputed(self) -> Iterable[tuple[int, tuple[int, int], tuple[int, int]]]:
        """Accounts of which the writers' ledger and the table tell different stories."""
        for account in sorted({*self.ledger, *self.postings}):
            mine, its = self.sums(account), self.ledger.get(account, (0, 0))
            if mine != its:
                yield account, mine, its

    def sums(self, account: int) -> tuple[int, int]:
        rows = self.postings.get(account, [])
        return len(rows), sum(amount for _, amount in rows)

    def members(self, team: int) -> list[int]:
        return sorted(pk for pk, row in self.accounts.items() if row[0] == team)

    def expected(self, name: str, parameters: dict[str, Any]) -> Any:
        """What a product should be; ABSENT when there should be none."""
        values = tuple(parameters.values())
        if name == "probe[]":
            return _domain("probe", [{"probe": one} for one in self.probes])
        if name == "city_board[]":
            cities = {row[2] for row in self.accounts.values()}
            return _domain("city_board", [{"city": city} for city in cities])
        made = getattr(self, f"_{name}", None)
        if made is not None:
            return made(*values)
        if name.startswith("soak.team"):
            return self._of_team(name, parameters)
        return self._of_account(name, parameters)

    def _posting_sum(self, account: int) -> Any:
        count, total = self.sums(account)
        return {"count": count, "sum": total}

    def _posting_ids(self, account: int) -> Any:
        return [uid for uid, _ in self.postings.get(account, [])]

    def _account_page(self, account: int) -> Any:
        if account not in self.accounts:
            return ABSENT
        team, slug, _ = self.accounts[account]
        amounts = [amount for _, amount in self.postings.get(account, [])]
        return {"slug": slug, "team": self.teams[team], "most": max(amounts, default=None)}

    def _breakable(self, account: int) -> Any:
        return self.sums(account)[1]

    def _tags_of(self, account: int) -> Any:
        return sorted(self.tags.get(account, []))

    def _team_total(self, team: int) -> Any:
        found = [self.sums(account) for account in self.members(team)]
        return {"count": sum(one[0] for one in found), "sum": sum(one[1] for one in found)}

    def _team_ids(self, team: int) -> Any:
        found = [self._posting_ids(account) for account in self.members(team)]
        return {"count": sum(map(len, found)), "check": sum(map(sum, found))}

    def _team_report(self, team: int) -> Any:
        if team not in self.teams:
            return ABSENT
        return {
            "name": self.teams[team],
            "total": self._team_total(team),
            "ids": self._team_ids(team),
        }

    def _ranking(self) -> Any:
        return sorted(([self._team_total(pk)["sum"], pk] for pk in self.teams), reverse=True)

    def _marks(self) -> Any:
        return {"count": len(self.marks), "sum": sum(self.marks)}

    def _probe(self, probe: int) -> Any:
        return self.probes.get(probe, ABSENT)

    def _city_board(self, city: str) -> Any:
        return sorted([row[1], pk] for pk, row in self.accounts.items() if row[2] == city)

    def _of_team(self, name: str, parameters: dict[str, Any]) -> Any:
        if "roster" in name:
            (pk,) = parameters.values()
            return self.members(pk)
        for pk, text in self.teams.items():
            if pk == parameters.get("pk") or text == parameters.get("name"):
                return {"id": pk, "name": text}
        return ABSENT

    def _of_account(self, name: str, parameters: dict[str, Any]) -> Any:
        rows = [
            {"id": pk, "team_id": team, "slug": slug, "city": city}
            for pk, (team, slug, city) in sorted(self.accounts.items())
        ]
        asked = {{"pk": "id"}.get(one, one): value for one, value in parameters.items()}
        found = [row for row in rows if asked.items() <= row.items()]
        if "[" in name:
            return found
        return found[0] if found else ABSENT


def _domain(name: str, members: list[dict[str, Any]]) -> Any:
    keys = [Cache.get_instance().build_key(name, **one) for one in members]
    total = sum(int(identify(key), 16) for key in keys)
    return {"members": len(keys), "digest": f"{total % 2**128:032x}"}
