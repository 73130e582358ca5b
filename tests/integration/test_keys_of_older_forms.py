"""A release declares other parameters for a product, of which values are stored under old keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kck_publish import Cache, Depends, IntegerParameter, Primer, StringParameter
from kck_publish.aggregates import AggregatePrimer, Count
from kck_publish.primers.function import primer
from kck_publish.products import registry
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Sample

pytestmark = pytest.mark.django_db(transaction=True)
A, B = IntegerParameter("a"), IntegerParameter("b")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for name in "formed", "over_formed":
        registry.unregister(name)


def declare(*parameters: Any) -> Any:
    """Code of one release."""
    registry.unregister("formed")
    body = {
        "key": "formed",
        "parameters": parameters,
        "depends_on": [Depends(Sample)],
        "compute": lambda self, **given: [[*map(str, given)], *given.values()],
    }
    return type("Formed", (Primer,), body)


def test_values_of_other_parameters_are_not_served() -> None:
    """`formed/1/2` was a=1, b=2, and is now b=1, a=2."""
    assert declare(A, B).cached.get(a=1, b=2) == [["a", "b"], 1, 2]
    assert declare(B, A).cached.get(b=1, a=2) == [["b", "a"], 1, 2]
    assert declare(StringParameter("a"), B).cached.get(a="1", b=2) == [["a", "b"], "1", 2]


def test_nor_are_those_of_an_aggregate() -> None:
    def counted(*parameters: Any) -> Any:
        registry.unregister("formed")
        source = Depends(Sample, a="whole", b="group")
        body = {"key": "formed", "parameters": parameters, "source": source,
                "values": {"n": Count()}}  # fmt: skip
        return type("Formed", (AggregatePrimer,), body)

    Sample.objects.create(whole=1, group=2)
    assert counted(A, B).cached.get(a=1, b=2) == {"n": 1}
    assert counted(B, A).cached.get(b=1, a=2) == {"n": 0}


@pytest.mark.parametrize("new", [[A], [A, B, IntegerParameter("c")], [StringParameter("x"), A, B]])
def test_old_keys_stop_no_batch(new: list[Any]) -> None:
    """All keys are touched, and what others were computed from: old ones are passed over."""
    declare(A, B)
    primer("over_formed")(lambda: Cache.get_instance().get("formed/1/2"))
    Cache.get_instance().get("over_formed")
    formed = declare(*new)
    # As values of a product whose key alone has changed, such as that of a method of a row.
    sql("UPDATE kck_publish_entry SET fingerprint = %s WHERE product = 'formed'",
        registry.get("formed").fingerprint)  # fmt: skip
    given = {one.name: "3" if one.name == "x" else 3 for one in new}
    formed.cached.get(**given)
    Sample.objects.create()
    outcome = drain()
    assert outcome.unchanged == 1
    assert not outcome.failed
    assert sql("SELECT count(*) FROM kck_publish_backlog") == [(0,)]
