"""Domains of eager products: who joins is primed, and who leaves is removed.

A domain may read other products: what it has read is recorded, and it is looked at anew when one
of these changes.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from kck_publish import Cache, Depends, IntegerParameter, Primer, UndeclaredRead, primer
from kck_publish.listener import shard_batch
from kck_publish.ops import prime_domains
from kck_publish.products import registry
from kck_publish.refresh.tasks import Work
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import another_session, drain, sql
from tests.catalog.models import Author, Item

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
computed: list[str] = []
fails: list[Exception] = []
NAMES = ["groups", "nested", "board", "board[]", "desk", "desk[]"]


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    @primer("groups", depends_on=[Depends(Item, columns=["group"])])
    def groups() -> list[int]:
        return sorted(set(Item.objects.values_list("group", flat=True)))

    @primer("nested", depends_on=["groups"])
    def nested() -> list[int]:
        return [group for group in groups.cached.get() if group < 100]

    class Board(Primer):
        """Its own dependency tells nothing of who is a member."""

        key = "board"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Author, keys=lambda change: []),)
        eager = True

        def compute(self, group: int) -> int:
            computed.append(f"board/{group}")
            return group

        def domain(self) -> Any:
            if fails:
                raise fails[0]
            return [{"group": group} for group in cache.get("nested")]

    class Desk(Board):
        """Its domain reads a table that nothing is declared of."""

        key = "desk"

        def compute(self, group: int) -> int:
            return group

        def domain(self) -> Any:
            return Item.objects.order_by().values("group").distinct()

    yield
    for name in NAMES:
        registry.unregister(name)


@pytest.fixture(autouse=True)
def world(products: None, transactional_db: None) -> None:
    for group in (1, 2):
        Item.objects.create(name=str(group), group=group)
    fails.clear()
    drain()
    computed.clear()


def _boards() -> list[str]:
    return [
        key
        for (key,) in sql("SELECT key FROM kck_publish_entry WHERE product = 'board' ORDER BY key")
    ]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a listener that runs: each drain begins without a look at the domains."""
    monkeypatch.setattr(shard_batch, "domains", lambda desk, place, losses: Work())


@pytest.mark.usefixtures("running")
def test_a_domain_over_products_follows_them() -> None:
    assert _boards() == ["board/1", "board/2"]
    Item.objects.create(name="3", group=3)
    Item.objects.filter(group=1).delete()
    drain()
    assert _boards() == ["board/2", "board/3"]
    assert computed == ["board/3"]  # who stays is not computed


@pytest.mark.usefixtures("running")
def test_whoever_writes() -> None:
    with another_session() as other:
        other.execute('UPDATE catalog_item SET "group" = 7 WHERE "group" = 2')
    drain()
    assert _boards() == ["board/1", "board/7"]
    cache.set("nested", [5])
    drain()
    assert _boards() == ["board/5"]


@pytest.mark.usefixtures("running")
def test_members_that_stay_the_same_are_let_alone() -> None:
    before = sql("SELECT version FROM kck_publish_entry WHERE key = 'board[]'")
    Item.objects.create(name="again", group=2)
    Item.objects.create(name="far", group=200)
    drain()
    assert sql("SELECT version FROM kck_publish_entry WHERE key = 'board[]'") == before
    assert computed == []


def test_shards_each_see_to_their_own(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KCK_PUBLISH = {"SHARDS": 4}
    for group in range(10, 30):
        Item.objects.create(name=str(group), group=group)
    drain()
    assert len(_boards()) == 22
    monkeypatch.setattr(shard_batch, "domains", lambda desk, place, losses: Work())
    Item.objects.filter(group__range=(10, 19)).delete()
    drain()
    assert _boards() == ["board/1", "board/2", *(f"board/{group}" for group in range(20, 30))]
    assert_fresh("board", "nested")


def test_a_domain_that_fails_removes_nobody(settings: Any) -> None:
    settings.KCK_PUBLISH = {"RETRY": {"max_retries": 0}}
    fails.append(ValueError("of the user's"))
    Item.objects.filter(group=1).delete()
    drain()
    assert _boards() == ["board/1", "board/2"]
    assert [key for (key,) in sql("SELECT key FROM kck_publish_failure")] == ["board[]"]
    fails.clear()
    cache.refresh("board[]")
    drain()
    assert _boards() == ["board/2"]


def test_a_listener_starts_though_a_domain_fails() -> None:
    fails.append(ValueError("of the user's"))
    Item.objects.create(name="4", group=4)
    drain()
    assert cache.entry("groups").value == [1, 2, 4]
    assert cache.is_set("desk/4")


def test_who_has_left_while_nothing_told_of_it_is_removed_at_start() -> None:
    """By a deployment, say: the code of the domain is another one."""
    cache.get("board/50")
    cache.set("board/51", 51)
    drain()
    assert _boards() == ["board/1", "board/2"]


def test_a_table_that_only_the_domain_reads_is_named(settings: Any) -> None:
    settings.KCK_PUBLISH = {"STRICT": True}
    cache.unset("desk[]")
    with pytest.raises(UndeclaredRead, match=r"Desk \(desk\[\]\).*catalog_item"):
        cache.get("desk[]")


def test_it_is_drawn(capsys: Any) -> None:
    call_command("kck_graph")
    drawn = capsys.readouterr().out
    assert "<- product nested  [recorded]" in drawn
    assert "<- product board[]  [domain]" in drawn


def test_kck_prime_has_those_removed_that_have_left(capsys: Any) -> None:
    cache.get("board/50")
    call_command("kck_prime", "board")
    assert "2 of 2, 1 to be removed" in capsys.readouterr().out
    drain()
    assert _boards() == ["board/1", "board/2"]


@pytest.mark.long
def test_a_large_domain_is_streamed() -> None:
    """Its keys are never all held."""
    count = 50_000

    class Large(Primer):
        key = "large"
        parameters = (IntegerParameter("n"),)

        def compute(self, n: int) -> int:
            raise NotImplementedError

        def domain(self) -> Any:
            return ({"n": n} for n in range(count))

    def only_counts(product: Any, keys: Iterator[str], pace: prime_domains.Pace) -> Any:
        for _ in keys:
            yield prime_domains.Portion(1, (), 0.0)

    try:
        tracemalloc.start()
        done = prime_domains.prime_domain(registry.get("large"), lambda done: None, only_counts)
        assert (done.total, done.primed) == (count, count)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
        registry.unregister("large")


def test_a_domain_of_the_rows_that_are_declared_stays_true() -> None:
    """``kck_verify`` and the auditor compare it as they compare everything."""

    class Named(Primer):
        key = "named_group"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group", columns=["name"]),)
        eager = True

        def compute(self, group: int) -> Any:
            return sorted(Item.objects.filter(group=group).values_list("name", flat=True))

        def domain(self) -> Any:
            return Item.objects.order_by().values("group").distinct()

    try:
        drain()
        Item.objects.create(name="9", group=9)
        Item.objects.filter(group=1).update(group=11)
        drain()
        assert_fresh("named_group", "named_group[]")
    finally:
        registry.unregister("named_group")
        registry.unregister("named_group[]")
