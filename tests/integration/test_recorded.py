"""Products that a compute reads without declaring them become dependencies by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from kck_publish import Cache, DependencyCycle, Depends, IntegerParameter, Primer
from kck_publish.log.keys import shard_of
from kck_publish.log.snapshot import take
from kck_publish.products import registry
from kck_publish.reading.claims import refresh_missed
from kck_publish.stores import READER, Address, Read, Stored
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, another_session, drain, reads, sql
from tests.catalog.models import Author, Item

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
computed: list[str] = []
during: dict[str, Any] = {}


def _amounts(n: int) -> int:
    return int(sum(Item.objects.filter(group=n).values_list("amount", flat=True)))


def _product(name: str, read: Any, *on: Any, **attributes: Any) -> None:
    def compute(self: Any, n: int) -> Any:
        computed.append(f"{name}/{n}")
        assert len(computed) < 100, "it never ends"
        value = read(n)
        if name in during:
            during.pop(name)()
        return value

    type(
        name.title(),
        (Primer,),
        {
            "key": name,
            "parameters": (IntegerParameter("n"),),
            "compute": compute,
            "depends_on": on,
            "__module__": __name__,
            **attributes,
        },
    )


def _switched(n: int) -> Any:
    """Reads one key or another, as a third says."""
    return cache.get(f"base/{cache.get(f'base/{n}')}")


def _turned(n: int, product: str = "turn") -> int:
    """One more than another of its keys, if an Item says which."""
    other = int(sum(Item.objects.filter(name=f"turn {n}").values_list("amount", flat=True)))
    return 1 + (int(cache.get(f"{product}/{other}")) if other else 0)


def _turned_many(self: Any, some: Any) -> list[int]:
    computed.extend(f"turn_many/{one['n']}" for one in some)
    return [_turned(one["n"], "turn_many") for one in some]


def _tree(n: int) -> int:
    """Its own, and that of the two under it: the keys of one product read each other."""
    under = [cache.get(f"tree/{one}") for one in (2 * n, 2 * n + 1) if one < 8]
    return _amounts(n) + int(sum(under))


def _half(n: int) -> int:
    return 1 + (int(cache.get(f"whole_of_half/{n}")) if _amounts(n) else 0)


NAMES = [
    "base",
    "over",
    "top",
    "switch",
    "many",
    "ring_a",
    "ring_b",
    "by_hand",
    "greeting",
    "turn",
    "turn_many",
    "tree",
    "half",
    "whole_of_half",
]


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    _product("base", _amounts, Depends(Item, n="group", columns=["amount"]))
    _product("over", lambda n: 1 + cache.get(f"base/{n}"))
    _product("top", lambda n: 1 + cache.get(f"over/{n}"))
    _product("switch", _switched)
    _product(
        "many",
        lambda n: cache.get(f"base/{n}"),
        compute_many=lambda self, some: [cache.get(f"base/{one['n']}") for one in some],
    )
    _product("ring_a", lambda n: cache.get(f"ring_b/{n}"))
    _product("ring_b", lambda n: cache.get(f"ring_a/{n}"))
    _product("by_hand", lambda n: cache.get("hand/made"))
    _product("greeting", lambda n: Author.cached.get(pk=n).first)
    _product("turn", _turned, Depends(Item, n="group", columns=["amount"]))
    _product(
        "turn_many",
        lambda n: _turned(n, "turn_many"),
        Depends(Item, n="group", columns=["amount"]),
        compute_many=_turned_many,
    )
    _product("tree", _tree, Depends(Item, n="group", columns=["amount"]))
    _product("half", _half, Depends(Item, n="group", columns=["amount"]))
    _product("whole_of_half", lambda n: 2 * cache.get(f"half/{n}"), Depends("half", n="n"))
    yield
    for name in NAMES:
        registry.unregister(name)


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> Iterator[None]:
    Item.objects.create(name="i", group=1, amount=5)
    drain()
    computed.clear()
    during.clear()
    yield
    assert sql("SELECT key FROM kck_publish_failure WHERE product NOT LIKE 'turn%'") == []


def _edges() -> set[tuple[str, str]]:
    return set(sql("SELECT key, read_key FROM kck_publish_edge"))


def _write(amount: int, group: int = 1) -> None:
    Item.objects.filter(group=group).update(amount=amount)


def test_a_refresh_reaches_those_who_have_read_it() -> None:
    assert cache.get("base/1") == 5
    assert cache.get("top/1") == 7
    cache.get("over/1")
    drain()
    _write(8)
    drain()
    with reads(store=1):
        assert cache.get("top/1") == 10
    assert_fresh("base", "over", "top")
    assert _edges() >= {("top/1", "over/1"), ("over/1", "base/1")}


def test_what_was_computed_within_and_never_stored_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.get("over").sender, "max_bytes", 0)
    assert cache.get("top/1") == 7
    assert not cache.is_set("over/1")
    _write(8)
    drain()
    assert cache.get("top/1") == 10
    assert _edges() >= {("top/1", "over/1"), ("top/1", "base/1")}


def test_what_is_not_read_any_more_is_forgotten() -> None:
    Item.objects.create(name="j", group=5, amount=1)
    Item.objects.create(name="k", group=6, amount=2)
    for n in (1, 5, 6):
        cache.get(f"base/{n}")
    assert cache.get("switch/1") == 1
    drain()
    assert _edges() == {("switch/1", "base/1"), ("switch/1", "base/5")}
    _write(6)
    drain()
    assert cache.get("switch/1") == 2
    assert _edges() == {("switch/1", "base/1"), ("switch/1", "base/6")}
    computed.clear()
    _write(7, group=5)
    drain()
    assert computed == ["base/5"]


def test_the_edges_go_with_the_value() -> None:
    cache.get("over/1")
    assert _edges()
    cache.unset("over/1")
    assert not _edges()


def test_a_pass_over_many_keys() -> None:
    Item.objects.create(name="j", group=2, amount=2)
    assert cache.get_many(["many/1", "many/2"]) == {"many/1": 5, "many/2": 2}
    _write(8)
    drain()
    assert cache.get_many(["many/1", "many/2"]) == {"many/1": 8, "many/2": 2}


def test_a_published_row_and_a_key_set_by_hand() -> None:
    author = Author.objects.create(slug="a", first="A", last="A")
    cache.set("hand/made", 1)
    assert cache.get(f"greeting/{author.pk}") == "A"
    assert cache.get("by_hand/1") == 1
    drain()
    Author.objects.update(first="B")
    cache.set("hand/made", 2)
    drain()
    with reads(store=1):
        assert cache.get(f"greeting/{author.pk}") == "B"
    assert cache.get("by_hand/1") == 2


def test_a_ring_is_named_when_it_is_computed() -> None:
    with pytest.raises(DependencyCycle, match="ring_a/1 -> ring_b/1 -> ring_a/1"):
        cache.get("ring_a/1")


def _ring(product: str, length: int) -> None:
    """Store keys that read each other one after the other, and close the ring."""
    Item.objects.bulk_create(
        Item(name=f"turn {n}", group=n, amount=0 if n == length else n + 1)
        for n in range(1, length + 1)
    )
    for n in range(length, 0, -1):
        cache.get(f"{product}/{n}")
        drain()
    assert cache.entry(f"{product}/1").value == length
    computed.clear()
    Item.objects.filter(name=f"turn {length}").update(amount=1)


@pytest.mark.parametrize("product", ["turn", "turn_many"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_ring_that_is_stored_is_named_and_turns_no_further(
    product: str, length: int, caplog: Any
) -> None:
    """Each key was computed when it was none; then one of them reads on, and round."""
    _ring(product, length)
    for _ in range(3):
        drain()
    assert len(computed) <= 3 * length, computed
    [(error,)] = sql("SELECT error FROM kck_publish_failure WHERE key = %s", f"{product}/{length}")
    assert "DependencyCycle" in error
    ring = [length, *range(1, length + 1)]
    named = " -> ".join(f"{product}/{n}" for n in ring)
    assert f"in a ring: {named}." in caplog.text
    assert cache.entry(f"{product}/{length}").value == 1  # as before, and marked as behind
    with pytest.raises(DependencyCycle):
        cache.refresh(f"{product}/{length}", queued=False)
    Item.objects.filter(name=f"turn {length}").update(amount=0)
    drain()
    assert cache.entry(f"{product}/1").value == length
    assert sql("SELECT key FROM kck_publish_failure") == []


def test_keys_of_one_product_that_read_each_other_are_no_ring() -> None:
    for n in range(1, 8):
        Item.objects.create(name=f"t{n}", group=n, amount=n)
    cache.get("tree/1")
    cache.get_many([f"tree/{n}" for n in range(1, 8)])
    drain()
    _write(100, group=5)
    for _ in range(4):
        drain()
    assert cache.entry("tree/1").value == sum(range(1, 8)) + 5 - 5 + 100
    assert_fresh("tree")


def test_a_ring_of_what_is_declared_and_what_is_recorded() -> None:
    Item.objects.filter(group=1).update(amount=0)
    assert cache.get("whole_of_half/1") == 2
    cache.get("half/1")
    drain()
    computed.clear()
    _write(1)
    for _ in range(3):
        drain()
    assert len(computed) < 6, computed
    [(error,)] = sql("DELETE FROM kck_publish_failure WHERE key = 'half/1' RETURNING error")
    assert "DependencyCycle" in error
    sql("DELETE FROM kck_publish_failure WHERE key = 'whole_of_half/1'")


def test_refreshed_while_a_reader_computes() -> None:
    """It has read the old value, and stores its own after the new one was stored."""
    cache.get("base/1")
    drain()

    def elsewhere() -> None:
        def run() -> None:
            _write(9)
            drain()

        Session(run).result()

    during["over"] = elsewhere
    assert cache.get("over/1") == 6
    assert cache.get("base/1") == 9
    drain()
    assert cache.get("over/1") == 10


def test_overwritten_while_a_reader_computes() -> None:
    """By one who claims nothing, and finds no edge yet."""
    cache.get("base/1")
    drain()
    during["over"] = lambda: Session(lambda: cache.set("base/1", 50)).result()
    assert cache.get("over/1") == 6
    drain()
    assert cache.get("over/1") == 51


def test_being_written_while_a_reader_stores() -> None:
    """Whoever writes it has looked for edges already, and has not committed."""
    cache.get("base/1")
    drain()
    with another_session(autocommit=False) as other:
        other.execute("UPDATE kck_publish_entry SET version = 0 WHERE key = 'base/1'")
        assert cache.get("over/1") == 6
        assert cache.is_refreshing("over/1")
        other.rollback()


def test_nothing_is_asked_for_when_nothing_moved() -> None:
    cache.get("base/1")
    cache.get("over/1")
    assert not cache.is_refreshing("over/1")
    drain()
    _write(6)
    drain()
    computed.clear()
    drain()
    assert computed == []
    assert not cache.is_refreshing("over/1")


def test_own_writes_are_seen_through_what_was_recorded() -> None:
    cache.get("base/1")
    cache.get("top/1")
    drain()
    cache.get("top/1")
    registry.graph().recorded.clear()  # as in a process that has just begun
    registry.graph()._tables.clear()
    registry.graph()._wrote.clear()
    _write(20)
    assert cache.get("top/1") == 22
    with transaction.atomic():
        _write(30)
        assert cache.get("top/1") == 32
    drain()
    assert cache.get("top/1") == 32


def test_shards(settings: Any) -> None:
    settings.KCK_PUBLISH = {"SHARDS": 4}
    for n in range(8):
        Item.objects.create(name=f"n{n}", group=n, amount=n)
        cache.get(f"base/{n}")
        cache.get(f"top/{n}")
    drain()
    for n in range(8):
        _write(100 + n, n)
    drain()
    assert [cache.get(f"top/{n}") for n in range(8) if n != 1] == [
        102 + n for n in range(8) if n != 1
    ]
    assert_fresh("base", "top")


def test_a_truncate_of_what_was_read() -> None:
    cache.get("top/1")
    drain()
    sql("TRUNCATE catalog_item CASCADE")
    drain()
    assert cache.get("top/1") == 2


def test_it_is_drawn_and_explained(capsys: Any) -> None:
    cache.get("over/1")
    call_command("kck_graph", "--format", "mermaid")
    assert '-.->|"recorded"|' in capsys.readouterr().out
    call_command("kck_graph", "--format", "dot")
    assert '[label="recorded", style=dashed];' in capsys.readouterr().out
    call_command("kck_graph")
    assert "<- product base  [recorded]" in capsys.readouterr().out
    call_command("kck_explain", "over/1")
    assert "read         base/1" in capsys.readouterr().out


def test_the_claim_on_what_was_read_is_looked_at(settings: Any) -> None:
    """The shard of the key that was read may be further than that of the value itself (F)."""
    settings.KCK_PUBLISH = {"SHARDS": 2}
    drain()
    n = next(n for n in range(50) if _shard(f"base/{n}") != _shard(f"over/{n}"))
    with connection.cursor() as cursor:
        stamp = take(cursor)
        over, base = Address(f"over/{n}", "f"), Address(f"base/{n}", "f")
        entry = Stored(over, b"1", None, stamp, READER, reads=[Read(base)])
        _write(7)
        cursor.execute("UPDATE kck_publish_shard SET claimed = %s", [stamp])
        refresh_missed([entry], stamp, connection)
        assert not cache.is_refreshing(over.key)
        cursor.execute(
            "UPDATE kck_publish_shard SET claimed = %s WHERE shard = %s",
            [take(cursor), _shard(base.key)],
        )
        refresh_missed([entry], stamp, connection)
        assert cache.is_refreshing(over.key)
        cursor.execute("DELETE FROM kck_publish_change")


def _shard(key: str) -> int:
    return shard_of(key, 2)
