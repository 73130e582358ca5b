"""Products of every kind: recomputed, augmented, chained, a diamond, eager, failing for a while.

An augment that is shown a change twice, or that has missed one, says so at once: a later prime
would hide it from the quiet points.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db.models import Count, Max, Sum

from kck_publish import Change, Depends, IntegerParameter, Primer, Retry, StringParameter, primer
from tests.soak.models import Account, Mark, Posting, Probe, Team

FOLDER = Path(os.environ.get("SOAK_FOLDER", ""))
# While this file exists, `breakable` cannot be computed.
BROKEN = FOLDER / "broken"
VIOLATIONS = FOLDER / "violations"
# How long a reader's compute takes on purpose, in seconds: so that changes come in between.
SLOW = float(os.environ.get("SOAK_SLOW", "0"))
AGAIN = Retry(max_retries=-1, delay=timedelta(milliseconds=100), backoff=False)


class BrokenError(Exception):
    """What `breakable` raises while it is broken."""


def complain(what: str) -> None:
    """Note, for the next quiet point, that an augment saw what cannot be."""
    with VIOLATIONS.open("a") as file:
        file.write(f"{time.time():.6f} {os.getpid()} {what}\n")


def images(change: Change, account: int) -> tuple[Any, Any]:
    """The old and the new version of a posting, where they are this account's."""
    old, new = change.old, change.new
    return (
        old if old is not None and old["account_id"] == account else None,
        new if new is not None and new["account_id"] == account else None,
    )


class PostingSum(Primer):
    """How many postings, and their sum: augmented."""

    key = "posting_sum"
    parameters = (IntegerParameter("account"),)
    depends_on = (Depends(Posting, account="account_id", columns=["amount"]),)

    def compute(self, account: int) -> Any:
        found = Posting.objects.filter(account_id=account).aggregate(n=Count("pk"), s=Sum("amount"))
        time.sleep(SLOW)
        return {"count": found["n"], "sum": found["s"] or 0}

    def augment(self, value: Any, change: Change, account: int) -> Any:
        old, new = images(change, account)
        if old is not None:
            value["count"] -= 1
            value["sum"] -= old["amount"]
        if new is not None:
            value["count"] += 1
            value["sum"] += new["amount"]
        return value


class PostingIds(Primer):
    """Which postings: augmented, so that each change leaves its mark."""

    key = "posting_ids"
    parameters = (IntegerParameter("account"),)
    depends_on = (Depends(Posting, account="account_id", columns=["uid"]),)

    def compute(self, account: int) -> Any:
        rows = Posting.objects.filter(account_id=account)
        found = list(rows.order_by("uid").values_list("uid", flat=True))
        time.sleep(SLOW)
        return found

    def augment(self, value: Any, change: Change, account: int) -> Any:
        old, new = images(change, account)
        if old is not None:
            if old["uid"] not in value:
                complain(f"lost: posting_ids/{account} has no {old['uid']} to take away")
            else:
                value.remove(old["uid"])
        if new is not None:
            if new["uid"] in value:
                complain(f"twice: posting_ids/{account} has {new['uid']} already")
            value.append(new["uid"])
        return sorted(value)


class AccountPage(Primer):
    """Recomputed from three tables."""

    key = "account_page"
    parameters = (IntegerParameter("account"),)
    depends_on = (
        Depends(Account, account="pk"),
        Depends(Posting, account="account_id", columns=["amount"]),
        Depends(Team, keys=lambda change: accounts_of(change)),
    )

    def compute(self, account: int) -> Any:
        row = Account.objects.select_related("team").get(pk=account)
        found = Posting.objects.filter(account_id=account).aggregate(Max("amount"))
        time.sleep(SLOW)
        return {"slug": row.slug, "team": row.team.name, "most": found["amount__max"]}


def accounts_of(change: Change) -> Iterable[Mapping[str, Any]]:
    """The accounts of a changed team."""
    team = (change.new or change.old or {})["pk"]
    pks = Account.objects.filter(team_id=team).values_list("pk", flat=True)
    return [{"account": pk} for pk in pks]


def team_of(change: Change) -> Iterable[Mapping[str, Any]]:
    """The team of a refreshed account's product."""
    account = (change.new or {})["account"]
    pks = Account.objects.filter(pk=account).values_list("team_id", flat=True)
    return [{"team": pk} for pk in pks]


def accounts(team: int) -> list[dict[str, int]]:
    pks = Account.objects.filter(team_id=team).order_by("pk").values_list("pk", flat=True)
    return [{"account": pk} for pk in pks]


class TeamTotal(Primer):
    """One side of the diamond: over the sums."""

    key = "team_total"
    parameters = (IntegerParameter("team"),)
    depends_on = (
        Depends(Account, team="team_id", columns=[]),
        Depends("posting_sum", keys=team_of),
    )

    def compute(self, team: int) -> Any:
        found: list[Any] = PostingSum.cached.get_many(accounts(team))
        return {"count": sum(one["count"] for one in found), "sum": sum(o["sum"] for o in found)}


class TeamIds(Primer):
    """The other side of the diamond: over the lists."""

    key = "team_ids"
    parameters = (IntegerParameter("team"),)
    depends_on = (
        Depends(Account, team="team_id", columns=[]),
        Depends("posting_ids", keys=team_of),
    )

    def compute(self, team: int) -> Any:
        found: list[Any] = PostingIds.cached.get_many(accounts(team))
        return {"count": sum(map(len, found)), "check": sum(map(sum, found))}


class TeamReport(Primer):
    """The diamond's other end."""

    key = "team_report"
    parameters = (IntegerParameter("team"),)
    depends_on = (
        Depends(Team, team="pk"),
        Depends("team_total", team="team"),
        Depends("team_ids", team="team"),
    )

    def compute(self, team: int) -> Any:
        row = Team.objects.get(pk=team)
        total, ids = TeamTotal.cached.get(team=team), TeamIds.cached.get(team=team)
        return {"name": row.name, "total": total, "ids": ids}


class CityBoard(Primer):
    """Kept whole: a city comes with its first account, and goes with its last."""

    key = "city_board"
    parameters = (StringParameter("city"),)
    depends_on = (Depends(Account, city="city", columns=["slug"]),)
    eager = True

    def domain(self) -> Iterable[Mapping[str, Any]]:
        return [{"city": one} for one in Account.objects.values_list("city", flat=True).distinct()]

    def compute(self, city: str) -> Any:
        rows = Account.objects.filter(city=city).order_by("slug")
        return [list(one) for one in rows.values_list("slug", "pk")]


class Breakable(Primer):
    """Cannot be computed while it is broken."""

    key = "breakable"
    parameters = (IntegerParameter("account"),)
    depends_on = (Depends(Posting, account="account_id", columns=["amount"]),)
    retry = AGAIN

    def compute(self, account: int) -> Any:
        if BROKEN.exists():
            raise BrokenError
        found = Posting.objects.filter(account_id=account).aggregate(Sum("amount"))
        return found["amount__sum"] or 0


@primer("tags_of/<int:account>", depends_on=[Depends(Account.tags.through, account="account_id")])
def tags_of(account: int) -> list[int]:
    rows = Account.tags.through.objects.filter(account_id=account)
    return sorted(rows.values_list("tag_id", flat=True))


class Marks(Primer):
    """All marks: augmented, and primed after a TRUNCATE."""

    key = "marks"
    depends_on = (Depends(Mark, columns=["weight"]),)

    def compute(self) -> Any:
        found = Mark.objects.aggregate(n=Count("pk"), s=Sum("weight"))
        return {"count": found["n"], "sum": found["s"] or 0}

    def augment(self, value: Any, change: Change) -> Any:
        for image, sign in ((change.old, -1), (change.new, 1)):
            if image is not None:
                value["count"] += sign
                value["sum"] += sign * image["weight"]
        return value


class ProbeCount(Primer):
    """What the measurer of the lag waits for."""

    key = "probe"
    parameters = (IntegerParameter("probe"),)
    depends_on = (Depends(Probe, probe="pk"),)
    eager = True

    def domain(self) -> Iterable[Mapping[str, Any]]:
        return [{"probe": pk} for pk in Probe.objects.values_list("pk", flat=True)]

    def compute(self, probe: int) -> Any:
        return Probe.objects.get(pk=probe).count


@primer("ranking", depends_on=["team_total", Team], eager=True)
def ranking() -> list[Any]:
    teams = list(Team.objects.order_by("pk").values_list("pk", flat=True))
    totals: list[Any] = TeamTotal.cached.get_many([{"team": pk} for pk in teams])
    return sorted(([one["sum"], pk] for pk, one in zip(teams, totals, strict=True)), reverse=True)
