"""Products of random querysets are what the querysets give, whatever has changed.

Printed (``-s``) are the share of refreshes that gave what was stored already: of keys touched
without need. And the share of changes that touched no such key: of one batch each, to one product.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from hypothesis import given, note, settings
from hypothesis import strategies as st

from kck_publish import Cache, IntegerParameter, QuerySetPrimer
from kck_publish.products import registry
from kck_publish.reading.product_reader import ProductReader
from kck_publish.testing import assert_fresh, drain
from tests.atlas.grammar import Shape, shapes
from tests.atlas.kept import kept_shapes
from tests.atlas.models import Sale, Ware
from tests.properties.test_paths import (
    Write,
    batches,
    brands,
    codes,
    fill,
    puts,
    some,
    taken_back,
    write,
)

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("KCK_TEST_EXAMPLES", "15"))
cache = Cache.get_instance()
KEYS = (1, 2, 3)
told = {
    "querysets": 0,
    "kept": 0,
    "needed": 0,
    "amended": 0,
    "needless": 0,
    "changes": 0,
    "exact": 0,
}


def declare(number: int, shape: Shape) -> str:
    """Have a product of a shape; its name."""
    name = f"atlas_random{number}"
    namespace: dict[str, Any] = {
        "key": name,
        "parameters": [IntegerParameter("a")],
        "one": shape.one,
        "depends_on": shape.on,
        "queryset": lambda self, a: shape.queryset(a),
        "__module__": __name__,
    }
    type(f"Random{number}", (QuerySetPrimer,), namespace)
    return name


def prime(names: list[str]) -> None:
    for name in names:
        for key in KEYS:
            with suppress(ObjectDoesNotExist):
                cache.get(f"{name}/{key}")


def assert_given(names: list[str], made: list[Shape]) -> None:
    """What is stored is what the querysets themselves give."""
    for name, shape in zip(names, made, strict=True):
        product: Any = registry.get(name)
        for key in KEYS:
            if not cache.is_set(f"{name}/{key}"):
                continue
            right = shape.queryset(key)
            if isinstance(right, QuerySet):
                right = next(iter(right[:1])) if shape.one else list(right)
            reader: Any = ProductReader(name)
            assert reader.get_bytes(a=key) == product.encode(right).body, shape.text


@given(st.lists(shapes() | kept_shapes(), min_size=6, max_size=8), batches)
@settings(max_examples=EXAMPLES)
def test_drained_means_true(made: list[Shape], history: list[list[Write]]) -> None:
    look_after(made, history)


ids = st.integers(1, 9)
sales = st.one_of(
    st.builds(
        lambda **values: ("put", Sale, values),
        id=ids,
        shop_id=codes,
        ware_id=some,
        amount=some,
        remark=st.sampled_from(["", "b"]),
    ),
    st.builds(lambda pk: ("delete", Sale, {"pk": pk}), pk=ids),
)
wares = st.builds(
    lambda **values: ("put", Ware, values), id=ids, brand=brands, price=some, active=st.booleans()
)
# Mostly of the rows themselves, sometimes of those that they are joined to.
amending = st.lists(
    st.lists(st.one_of(*[sales] * 5, wares, wares, puts), min_size=1, max_size=4),
    min_size=2,
    max_size=5,
)


@pytest.mark.long
@given(st.lists(kept_shapes(), min_size=6, max_size=8), amending)
@settings(max_examples=EXAMPLES)
def test_what_is_kept_is_true(made: list[Shape], history: list[list[Write]]) -> None:
    """Amended by changes, without a line of a user's."""
    look_after(made, history)


def look_after(made: list[Shape], history: list[list[Write]]) -> None:
    names = [declare(number, shape) for number, shape in enumerate(made)]
    for shape in made:
        note(shape.text)
    try:
        with taken_back():
            fill()
            drain()
            prime(names)
            for batch in history:
                for one in batch:
                    write(one)
                outcome = drain()
                assert not outcome.failed
                assert_fresh(*names)
                assert_given(names, made)
                told["needed"] += outcome.primed + outcome.removed
                told["amended"] += outcome.augmented
                told["needless"] += outcome.unchanged
                told["changes"] += len(names)
                tallies = [outcome.tallies.get(name) for name in names]
                told["exact"] += sum(not (tally and tally.unchanged) for tally in tallies)
                prime(names)
        told["kept"] += sum(registry.get(name).augmentable for name in names)
    finally:
        for name in names:
            registry.unregister(name)
    told["querysets"] += len(names)


def teardown_module() -> None:
    total = told["needed"] + told["amended"] + told["needless"]
    share = told["needless"] / total if total else 0
    print(
        f"\n{told['querysets']} querysets, {told['kept']} of them kept; {total} refreshes, "
        f"{told['amended']} of them amended, {share:.0%} without need; {told['changes']} changes, "
        f"{told['exact'] / max(told['changes'], 1):.1%} of them touched no key without need"
    )
