"""Products of products: each is computed once for a change, in the order of dependence.

A chain of five and a diamond of four over the same rows. Every batch and every compute is counted.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction

from kck_publish import Cache, Depends, IntegerParameter, Primer, following, registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)

cache = Cache.get_instance()
CHANGES = int(os.environ.get("KCK_TEST_CHANGES", "10000"))
GROUPS = range(20)
CHAIN = ["link1", "link2", "link3", "link4", "link5"]
DIAMOND = ["root", "left", "right", "tip"]
NAMES = [*CHAIN, *DIAMOND]
computed: list[str] = []


def _product(name: str, over: list[str]) -> type[Primer]:
    """A product of a group's rows, or of the same group in the products that it is over."""

    def compute(self: Any, group: int) -> int:
        computed.append(f"{name}/{group}")
        if not over:
            return int(sum(Item.objects.filter(group=group).values_list("amount", flat=True)))
        return 1 + sum(int(cache.get(f"{one}/{group}")) for one in over)

    on = [Depends(one, group="group") for one in over]
    return type(
        name, (Primer,),
        {
            "key": name, "parameters": (IntegerParameter("group"),), "compute": compute,
            "depends_on": on or (Depends(Item, group="group", columns=["amount"]),),
            "__module__": __name__,
        },
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    _product("link1", [])
    for below, name in pairwise(CHAIN):
        _product(name, [below])
    _product("root", [])
    _product("left", ["root"])
    _product("right", ["root"])
    _product("tip", ["left", "right"])
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


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is computed in each batch of the listener."""
    seen: list[list[str]] = []
    original = following.batch

    def batch(*args: Any, **options: Any) -> Any:
        before = len(computed)
        result = original(*args, **options)
        seen.append(computed[before:])
        return result

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


def test_one_change_computes_each_once(batches: list[list[str]]) -> None:
    Item.objects.filter(name="i3").update(amount=1000)
    drain()
    assert Counter(computed) == Counter(f"{name}/3" for name in NAMES)
    assert [name.partition("/")[0] for name in computed if name.startswith("link")] == CHAIN
    assert all(len(some) == len(set(some)) for some in batches)
    assert_fresh(*NAMES)


def test_random_changes(batches: list[list[str]], settings: Any) -> None:
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
    assert all(len(some) == len(set(some)) for some in batches)
    assert not {key for key in counted if counted[key] > touched[key]}
    assert sql("SELECT key FROM kck_publish_failure") == []
    assert_fresh(*NAMES)


def _transaction(dice: random.Random, number: int) -> set[int]:
    """Change so many rows; the groups that they are of."""
    rows = [dice.randrange(200) for _ in range(number)]
    query = "UPDATE catalog_item SET amount = %s WHERE name = %s"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(query, [(dice.randint(0, 9), f"i{row}") for row in rows])
    return {row % 20 for row in rows}
