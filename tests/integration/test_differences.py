"""What differs is shown: the first path, with both values, to whoever asks for them (D6)."""

from __future__ import annotations

from collections import UserDict
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError

from kck_publish import Cache
from kck_publish.ops.difference import NOTHING, _differing
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, interfering, sql
from tests.catalog.models import Author, Item
from tests.integration.test_commands import breaking, fails, run

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def spoil(key: str, old: bytes, new: bytes) -> None:
    """Change a stored value behind everybody's back."""
    drain()
    rows = sql("SELECT body FROM kck_publish_entry WHERE key = %s", key)
    ((body,),) = rows
    assert old in bytes(body)
    sql("UPDATE kck_publish_entry SET body = %s WHERE key = %s", bytes(body).replace(old, new), key)


def test_assert_fresh_names_the_path_and_both_values() -> None:
    """``assert_fresh`` names the first differing path and both values (D6)."""
    Item.objects.create(name="lamp", group=1, amount=5)
    cache.get("item_names/1")
    spoil("item_names/1", b"lamp", b"desk")
    with pytest.raises(AssertionError) as error:
        assert_fresh("item_names")
    assert str(error.value) == "Not fresh: item_names/1 (at [0][1]: stored 'desk', fresh 'lamp')"


def test_verify_shows_values_only_where_asked() -> None:
    """``kck_verify`` shows the path and both values at -v 2 alone (D6)."""
    author = Author.objects.create(slug="a", first="A", last="B")
    assert Author.cached.get(pk=author.pk).first == "A"
    key = f"catalog.author/{author.pk}"
    spoil(key, b'"A"', b'"Z"')
    out = fails("kck_verify", "catalog.author")
    assert f"different  {key}\n" in out
    assert "Z" not in out
    assert "at ['first']: stored 'Z', fresh 'A'" in fails("kck_verify", "catalog.author", "-v", "2")


def test_commands_print_a_diff_on_demand() -> None:
    """``kck_explain --diff`` and ``kck_verify --diff`` print the path and both values."""
    Item.objects.create(name="lamp", group=1, amount=5)
    cache.get("item_names/1")
    drain()
    assert "diff         none\n" in run("kck_explain", "item_names/1", "--diff")
    spoil("item_names/1", b"lamp", b"desk")
    where = "at [0][1]: stored 'desk', fresh 'lamp'"
    assert "desk" not in run("kck_explain", "item_names/1")
    out = run("kck_explain", "item_names/1", "--diff")
    assert f"diff         different\n{'':12} {where}\n" in out
    assert "desk" not in fails("kck_verify", "item_names")
    out = fails("kck_verify", "item_names", "--diff")
    assert f"different  item_names/1\n{'':10} {where}\n" in out


def test_a_diff_of_what_cannot_be_computed() -> None:
    """A failing compute has no diff; of a key that was set by hand nobody knows a fresh value."""
    Item.objects.create(name="lamp", group=1, amount=5)
    cache.get("item_names/1")
    drain()
    with interfering(breaking("item_names")):
        out = run("kck_explain", "item_names/1", "--diff")
    assert "diff         failing (its compute raises Broken)\n" in out
    cache.set("by/hand", 1)
    with pytest.raises(CommandError, match="Nobody computes by/hand"):
        run("kck_explain", "by/hand", "--diff")


@pytest.mark.parametrize(
    ("stored", "fresh", "expected"),
    [
        (1, True, ("", 1, True)),
        ({"a": 1}, {"a": 1.0}, ("['a']", 1, 1.0)),
        ({"a": 1}, {"a": 1, "b": 2}, ("['b']", NOTHING, 2)),
        ([1, [2, 3]], [1, [2]], ("[1][1]", 3, NOTHING)),
        ([1], (1,), ("", [1], (1,))),
        (
            {"d": {"x": date(2020, 1, 1)}},
            {"d": {"x": None}},
            ("['d']['x']", date(2020, 1, 1), None),
        ),
        (UserDict(a=1), {"a": 2}, ("['a']", 1, 2)),
        (NOTHING, {"a": 2}, ("", NOTHING, {"a": 2})),
    ],
)
def test_the_first_path_at_which_two_values_part(
    stored: Any, fresh: Any, expected: tuple[str, Any, Any]
) -> None:
    assert next(_differing(stored, fresh)) == expected


def test_equal_values_part_nowhere() -> None:
    assert list(_differing({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})) == []
