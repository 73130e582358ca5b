"""The protocols lose nothing in any interleaving, and each part of them is needed for that."""

from __future__ import annotations

import pytest

from tests.models import doorbell, lazy_prime
from tests.models.explore import explore

STALE = frozenset({0})
UNDOING = frozenset({0, 1})


@pytest.mark.parametrize(
    "design",
    [
        doorbell.Design(),
        doorbell.Design(stale=STALE),
        doorbell.Design(undoing=UNDOING),
        doorbell.Design(stale=STALE, undoing=UNDOING),
    ],
    ids=str,
)
def test_the_doorbell_loses_no_change(design: doorbell.Design) -> None:
    found = explore(doorbell.model(design))
    assert found.bad is None
    assert found.states > 1_000
    assert found.ends


@pytest.mark.long
@pytest.mark.parametrize(
    "design",
    [
        doorbell.Design(own_transaction=False),
        doorbell.Design(snapshot=False),
        doorbell.Design(look_then_drain=False),
        doorbell.Design(hear_then_drain=False),
        doorbell.Design(stale=STALE, stale_ring=False),
        doorbell.Design(undoing=UNDOING, forgets=False),
    ],
    ids=str,
)
def test_without_one_of_its_parts_the_doorbell_loses_a_change(design: doorbell.Design) -> None:
    assert explore(doorbell.model(design)).bad is not None


def test_a_snapshot_does_not_list_who_is_younger_than_all_that_have_ended() -> None:
    """Who has read the flag while the word was being committed, and took its number later."""
    design = doorbell.Design(writers=1, own_transaction=False)
    assert explore(doorbell.model(design)).bad == (
        "drain",
        "say that I sleep",
        "w0 insert",
        "w0 flag",
        "that is committed",
        "snapshot",
        "drain",
        "w0 commit",
        "wait for a ring",
    )


@pytest.mark.parametrize("design", [lazy_prime.Design(), lazy_prime.Design(fails_once=True)])
def test_a_lazy_prime_is_never_stale_at_rest(design: lazy_prime.Design) -> None:
    assert explore(lazy_prime.model(design)).bad is None


@pytest.mark.parametrize(
    "design",
    [
        lazy_prime.Design(look=False),
        lazy_prime.Design(claim_first=False),
    ],
    ids=str,
)
def test_without_one_of_its_parts_a_lazy_prime_is_stale(design: lazy_prime.Design) -> None:
    assert explore(lazy_prime.model(design)).bad is not None
