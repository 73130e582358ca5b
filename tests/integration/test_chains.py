"""Products of products: each is computed once for a change, in the order of dependence.

A chain of five and a diamond of four over the same rows, and one over the diamond and the rows.
Every batch and every compute is counted.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import pytest
from django.core.cache import caches
from django.db import connection, transaction

from kck_publish import Cache, Depends, IntegerParameter, Primer
from kck_publish.listener import shard_batch as listener_batch
from kck_publish.products import registry
from kck_publish.refresh.write import Writer
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, drain, sql
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)

cache = Cache.get_instance()
# The whole of it: KCK_TEST_CHANGES=10000.
CHANGES = int(os.environ.get("KCK_TEST_CHANGES", "2000"))
GROUPS = range(20)
CHAIN = ["link1", "link2", "link3", "link4", "link5"]
DIAMOND = ["root", "left", "right", "tip"]
NAMES = [*CHAIN, *DIAMOND, "mixed"]
computed: list[str] = []
during: dict[str, Callable[[], object]] = {}


def _product(name: str, over: list[str], rows: bool = False, **attributes: Any) -> type[Primer]:
    """A product of a group's rows, or of the same group in the products that it is over."""

    def compute(self: Any, group: int) -> int:
        computed.append(f"{name}/{group}")
        if name in during:
            during.pop(name)()
        total = 1 + sum(int(cache.get(f"{one}/{group}")) for one in over)
        if not over or rows:
            total += sum(Item.objects.filter(group=group).values_list("amount", flat=True))
        return total

    on = [Depends(one, group="group") for one in over]
    if not over or rows:
        on.append(Depends(Item, group="group", columns=["amount"]))
    return type(
        name,
        (Primer,),
        {
            "key": name,
            "parameters": (IntegerParameter("group"),),
            "compute": compute,
            "depends_on": on,
            "__module__": __name__,
            **attributes,
        },
    )


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    _product("link1", [])
    for below, name in pairwise(CHAIN):
        _product(name, [below])
    _product("root", [])
    _product("left", ["root"])
    _product("right", ["root"])
    _product("tip", ["left", "right"])
    _product("mixed", ["tip"], rows=True)
    yield
    for name in NAMES:
        registry.unregister(name)


@pytest.fixture(autouse=True)
def forget(transactional_db: None) -> None:
    Item.objects.bulk_create(Item(name=f"i{n}", group=n % 20, amount=n) for n in range(200))
    drain()
    cache.get_many([f"{name}/{group}" for name in NAMES for group in GROUPS])
    drain()
    computed.clear()
    during.clear()


@dataclass
class Batch:
    """What one batch of the listener has computed, and the groups of the rows that it has seen."""

    computed: list[str]
    groups: set[int]


_GROUPS = """
SELECT DISTINCT image[array_position(columns, 'group')]::int
  FROM kck_publish_change, unnest(ARRAY[0, 1]) which,
       LATERAL (SELECT CASE which WHEN 0 THEN old ELSE new END AS image) one
 WHERE source = 'catalog_item' AND image IS NOT NULL
   AND NOT pg_visible_in_snapshot(xid, %s::pg_snapshot)
   AND pg_visible_in_snapshot(xid, %s::pg_snapshot)
"""


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The batches of the listener."""
    seen: list[Batch] = []
    original = listener_batch.batch

    def batch(desk: Any, place: Any, *args: Any, **options: Any) -> Any:
        before = len(computed)
        after, outcome = original(desk, place, *args, **options)
        groups = {group for (group,) in sql(_GROUPS, place.done, after.done)}
        seen.append(Batch(computed[before:], groups))
        if computed[before:] and "between" in during:
            during.pop("between")()
        return after, outcome

    for module in _modules_with(original):
        monkeypatch.setattr(module, "batch", batch)
    return seen


def _modules_with(function: Callable[..., Any]) -> list[Any]:
    import sys

    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("kck_publish") and getattr(module, "batch", None) is function
    ]


def test_one_change_computes_each_once_and_all_in_one_batch(batches: list[Batch]) -> None:
    Item.objects.filter(name="i3").update(amount=1000)
    drain()
    (first, *others) = [one for one in batches if one.computed or one.groups]
    assert Counter(first.computed) == Counter(f"{name}/3" for name in NAMES)
    assert [one.partition("/")[0] for one in computed if one.startswith("link")] == CHAIN
    assert others == []
    assert_fresh(*NAMES)


@pytest.mark.long
def test_random_changes(batches: list[Batch], settings: Any) -> None:
    """10,000 of them, in transactions of 1 to 40, drained after each few of these."""
    settings.KCK_PUBLISH = {"MAX_BATCH": 50}
    dice = random.Random(5)
    touched: Counter[str] = Counter()
    left = CHANGES
    while left:
        groups: set[int] = set()
        for _ in range(dice.randint(1, 12)):
            number = min(left, dice.randint(1, 40))
            left -= number
            groups |= _transaction(dice, number)
        touched.update(f"{name}/{group}" for group in groups for name in NAMES)
        drain()
    counted = Counter(computed)
    assert set(counted) == set(touched)
    # In no batch twice, and in none that its rows have not touched.
    touching = Counter(f"{name}/{one}" for each in batches for one in each.groups for name in NAMES)
    assert all(len(one.computed) == len(set(one.computed)) for one in batches)
    assert not {key for key in counted if counted[key] > touching[key]}
    assert sum(touching.values()) <= sum(touched.values())
    assert sql("SELECT key FROM kck_publish_failure") == []
    assert_fresh(*NAMES)


def _transaction(dice: random.Random, number: int) -> set[int]:
    """Change so many rows; the groups that they are of."""
    rows = [dice.randrange(200) for _ in range(number)]
    query = "UPDATE catalog_item SET amount = %s WHERE name = %s"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(query, [(dice.randint(0, 9), f"i{row}") for row in rows])
    return {row % 20 for row in rows}


def _write(amount: int) -> None:
    Item.objects.filter(name="i3").update(amount=amount)


def _elsewhere(*calls: Callable[[], object]) -> Callable[[], object]:
    return lambda: [Session(call).result() for call in calls]


def test_a_reader_adds_what_it_made_of_the_old_value() -> None:
    """While the batch computes, when it has looked what is stored already."""
    cache.unset("link2/3")
    drain()
    # The reader's snapshot is later than the batch's, and its link1 is not yet the batch's.
    during["link3"] = _elsewhere(lambda: cache.get("link2/3"))
    _write(1000)
    drain()
    assert cache.entry("link2/3").value == 1 + cache.entry("link1/3").value
    assert_fresh(*NAMES)


def test_a_slow_reader_adds_the_old_value_after_the_batch(batches: list[Batch]) -> None:
    """It has begun in the middle of the batch; then what the batch has written is removed."""
    read, go_on = threading.Event(), threading.Event()

    def compute(self: Any, group: int) -> int:
        value = int(cache.get(f"link1/{group}"))
        if "slow" in during:
            during.pop("slow")()
        return value

    _product("slow", ["link1"], compute=compute)
    try:
        cache.get("slow/3")
        drain()
        readers: list[Session] = []

        def wait() -> None:
            read.set()
            assert go_on.wait(20)

        def begin() -> None:
            Session(lambda: cache.unset("slow/3")).result()
            during["slow"] = wait
            readers.append(Session(lambda: cache.get("slow/3")))
            assert read.wait(20)

        def end() -> None:
            Session(lambda: cache.unset("slow/3")).result()
            go_on.set()
            readers[0].result()

        slow = registry.get("slow")
        assert registry.graph().order["mixed"] < registry.graph().order[slow.name]
        cast("Any", slow.sender).eager = True  # primed by the batch, though it is not stored
        during["mixed"], during["between"] = begin, end
        _write(1000)
        drain()
        assert cache.entry("slow/3").value == cache.entry("link1/3").value
    finally:
        go_on.set()
        registry.unregister("slow")


def test_what_is_set_by_hand_meanwhile_reaches_those_over_it(batches: list[Batch]) -> None:
    _write(1000)
    during["between"] = _elsewhere(lambda: cache.set("root/3", 5000))
    drain()
    assert [cache.entry(f"{one}/3").value for one in DIAMOND] == [5000, 5001, 5001, 10003]
    assert cache.entry("mixed/3").value == 10004 + cache.entry("link1/3").value - 1


class CutOffError(Exception):
    pass


def test_a_batch_that_is_cut_off_between_two_writes(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The first products are written, the others are not: all of it is done again."""
    settings.KCK_PUBLISH = {"MAX_BATCH": 1}

    real, left = Writer.write, [3]

    def write(*args: Any) -> int:
        left[0] -= 1
        if not left[0]:
            raise CutOffError
        return real(*args)

    _write(1000)
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", write)
        with pytest.raises(CutOffError):
            drain()
    drain()
    assert_fresh(*NAMES)


def test_a_compute_that_has_not_looked_is_done_again(batches: list[Batch]) -> None:
    """A value that was read in a thread of the compute's own is not the batch's."""

    def compute(self: Any, group: int) -> int:
        computed.append(f"sly/{group}")
        return int(Session(lambda: cache.get(f"link1/{group}")).result())

    _product("sly", ["link1"], rows=True, compute=compute)
    try:
        cache.get("sly/3")
        drain()
        computed.clear()
        _write(1000)
        drain()
        assert cache.entry("sly/3").value == cache.entry("link1/3").value
        assert Counter(computed)["sly/3"] == 2
    finally:
        registry.unregister("sly")


def test_what_is_not_stored_passes_it_on_once(batches: list[Batch]) -> None:
    for key in ("link2/3", "link3/3", "left/3"):
        cache.unset(key)
    drain()
    computed.clear()
    _write(1000)
    drain()
    counted = Counter(computed)
    assert [counted[f"{name}/3"] for name in ("link4", "link5", "tip", "mixed")] == [1, 1, 1, 1]
    assert_fresh(*NAMES)


def test_several_shards(settings: Any) -> None:
    settings.KCK_PUBLISH = {"SHARDS": 3}
    drain()
    for amount in (100, 200):
        Item.objects.update(amount=amount)
        drain()
        assert_fresh(*NAMES)


@pytest.mark.parametrize("store", [{}, {"STORE": "cache:default"}])
def test_in_any_store(store: dict[str, Any], settings: Any) -> None:
    settings.KCK_PUBLISH = store
    caches["default"].clear()  # what another test has left is of a database that is flushed
    cache.get_many([f"{name}/{group}" for name in NAMES for group in GROUPS])
    drain()
    computed.clear()
    _write(1000)
    drain()
    assert Counter(computed) == Counter(f"{name}/3" for name in NAMES)
    assert_fresh(*NAMES)


def test_what_a_reader_has_added_before_the_look_is_made_anew_at_once(
    batches: list[Batch],
) -> None:
    """Its state includes the change, and its link1 does not."""
    cache.unset("link2/3")
    drain()
    batches.clear()
    during["link1"] = _elsewhere(lambda: cache.get("link2/3"))
    _write(1000)
    drain()
    assert [one.computed.count("link2/3") for one in batches if one.computed] == [2]  # one is his
    assert_fresh(*NAMES)
