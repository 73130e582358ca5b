"""The picture of the rooms fits the code."""

from __future__ import annotations

from tests.architecture import main, reduced, rooms
from tests.unit.test_layers import PACKAGE, ROOT


def test_the_page_shows_the_rooms_as_they_are() -> None:
    assert main(["--check"]) == 0, "python -m tests.architecture"


def test_an_arrow_that_others_imply_is_left_out() -> None:
    graph: dict[str, set[str]] = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_every_room_says_what_it_is() -> None:
    packages = {path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")}
    assert packages - rooms().keys() == {"management", "migrations", "templatetags"}
