"""One row that is changed several times by one statement: by triggers, and by foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kck_publish import (
    AggregatePrimer,
    Cache,
    Depends,
    IntegerParameter,
    Primer,
    QuerySetPrimer,
    StringParameter,
    Sum,
)
from kck_publish.aggregates import Count
from kck_publish.capture import install
from kck_publish.products import registry
from kck_publish.testing import assert_fresh, drain
from tests.capture_app.capturing import capturing, execute, source
from tests.catalog.models import Author, Item, Sample
from tests.kinds.models import Worded

pytestmark = pytest.mark.django_db
cache = Cache.get_instance()

# What a trigger of the project's does to the row that has just been written.
AGAIN = {
    "changes it": "UPDATE catalog_item SET amount = NEW.amount + 1, name = NEW.name || '!'",
    "moves it": 'UPDATE catalog_item SET "group" = 2',
    "sets it back": "UPDATE catalog_item SET amount = OLD.amount, name = OLD.name",
    "deletes it": "DELETE FROM catalog_item",
}
TRIGGER = """
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        {} WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER UPDATE ON catalog_item FOR EACH ROW EXECUTE FUNCTION again()
"""


@pytest.fixture
def products() -> Iterator[None]:
    class Rows(QuerySetPrimer):
        key = "twice_rows"
        parameters = (IntegerParameter("group"),)

        def queryset(self, group: int) -> Any:
            rows = Item.objects.filter(group=group).order_by("-amount")
            return rows.values("pk", "name", "amount")[:2]

    class Own(Primer):
        """Amends by what a change has come to, and not by how much it has changed."""

        key = "twice_own"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group", columns=["amount"]),)

        def compute(self, group: int) -> Any:
            return sorted(Item.objects.filter(group=group).values_list("pk", "amount"))

        def augment(self, value: Any, change: Any, group: int) -> Any:
            rows = dict(value)
            if change.old is not None:
                rows.pop(change.old["pk"], None)
            if change.new is not None and change.new["group"] == group:
                rows[change.new["pk"]] = change.new["amount"]
            return sorted(rows.items())

    yield
    for name in ("twice_rows", "twice_own"):
        registry.unregister(name)


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_a_row_trigger_writes_the_row_again(again: str, products: None) -> None:
    """Its statement ends, and is written down, before the one that fired it."""
    install.install("default", registry.sources())
    names = ("twice_rows", "twice_own")
    rows = [Item.objects.create(name=f"item{n}", group=1, amount=n) for n in range(5)]
    execute(TRIGGER.format(again))
    drain()
    for name in names:
        for group in (1, 2):
            cache.get(f"{name}/{group}")
    drain()
    for row, amount in zip(rows, (10, 3, 40, -1, 7), strict=True):
        Item.objects.filter(pk=row.pk).update(amount=amount)
        drain()
        assert_fresh(*names)


def test_what_follows_in_order_is_amended(products: None) -> None:
    """Only where the order is not sure is a key primed."""
    row = Item.objects.create(name="item", group=1, amount=1)
    drain()
    cache.get("twice_own/1")
    for amount in (2, 3):
        Item.objects.filter(pk=row.pk).update(amount=amount)
    assert drain().augmented == 1
    assert_fresh("twice_own")


def test_two_foreign_keys_set_null() -> None:
    """Both actions come as one statement, in which the row has three versions."""

    class Figures(AggregatePrimer):
        key = "twice_figures"
        parameters = (StringParameter("kind"),)
        source = Depends(Sample, kind="kind")
        values = {"rows": Count(), "makers": Count("maker"), "whole": Sum("whole")}

    try:
        install.install("default", registry.sources())
        (constraint,) = execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' "
            "AND conrelid = 'catalog_sample'::regclass"
        )
        execute(
            f"ALTER TABLE catalog_sample DROP CONSTRAINT {constraint[0]}, "
            "ADD FOREIGN KEY (maker_id) REFERENCES catalog_author ON DELETE SET NULL, "
            "ADD FOREIGN KEY (whole) REFERENCES catalog_author ON DELETE SET NULL"
        )
        authors = [Author.objects.create(slug=slug) for slug in "abc"]
        for maker in authors:
            for whole in authors:
                Sample.objects.create(maker=maker, whole=whole.pk)
        drain()
        Figures.cached.get(kind="a")
        execute("DELETE FROM catalog_author WHERE id = %s", authors[0].pk)
        drain()
        assert_fresh("twice_figures")
    finally:
        registry.unregister("twice_figures")


@pytest.mark.parametrize("columns", [(), ("parent_id",)], ids=["unwatched", "watched"])
@pytest.mark.parametrize("whole", [False, True], ids=["columns", "whole"])
def test_a_row_that_points_to_itself(columns: tuple[str, ...], whole: bool) -> None:
    """Its new key reaches its own reference: a second version under the new key."""
    (constraint,) = execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = confrelid"
        " AND confrelid = 'kinds_worded'::regclass"
    )
    with capturing(source(Worded, *columns, whole=whole)) as log:
        execute(
            f"ALTER TABLE kinds_worded DROP CONSTRAINT {constraint[0]}, "
            "ADD FOREIGN KEY (parent_id) REFERENCES kinds_worded ON UPDATE CASCADE"
        )
        Worded.objects.create(code="a", parent_id="a")
        log.clear()
        execute("UPDATE kinds_worded SET code = 'b' WHERE code = 'a'")
        told = [
            (op, (old or {}).get("code"), (new or {}).get("code")) for op, old, new in log.take()
        ]
    assert sorted(told) == [("delete", "a", None), ("insert", None, "b")]
