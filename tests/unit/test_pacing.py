"""The pause between two batches: for many writers, not for the one who waits for his change."""

from __future__ import annotations

from kck_publish.listener.pause_between_batches import LONGEST, patience


def test_changes_that_come_one_by_one_are_not_made_to_wait() -> None:
    assert patience(1, took=0.003, least=0.005) == 0
    assert patience(4, took=0.5, least=0.005) == 0


def test_a_steady_load_of_many_gathers_for_as_long_as_a_batch_takes() -> None:
    assert patience(32, took=0.008, least=0.005) == 0.008
    assert patience(500, took=0.001, least=0.005) == 0.005
    assert patience(500, took=3.0, least=0.005) == LONGEST


def test_in_between_the_pause_grows_with_what_came() -> None:
    pauses = [patience(changes, took=0.01, least=0.005) for changes in range(4, 33)]
    assert pauses == sorted(set(pauses))
