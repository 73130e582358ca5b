"""Products over a table of two models."""

from __future__ import annotations

from typing import Any

from kck_publish import Depends, Primer, StringParameter
from kck_publish.log.change import Change
from tests.zoo.models import Full, Item, Slim


class Sizes(Primer):
    """By the one model."""

    key = "zoo_sizes"
    parameters = (StringParameter("kind"),)
    depends_on = (Depends(Slim, kind="sort", columns=["size"]),)

    def compute(self, kind: str) -> Any:
        return sorted(Slim.objects.filter(sort=kind).values_list("size", flat=True))


class Names(Primer):
    """By the other."""

    key = "zoo_names"
    depends_on = (Depends(Full, columns=["name"]),)

    def compute(self) -> Any:
        return sorted(Full.objects.values_list("name", flat=True))

    def augment(self, value: Any, change: Change) -> Any:
        return moved(value, change, "name")


class Kinds(Primer):
    """By the one model, amended."""

    key = "zoo_kinds"
    depends_on = (Depends(Slim, columns=["sort"]),)

    def compute(self) -> Any:
        return sorted(Slim.objects.values_list("sort", flat=True))

    def augment(self, value: Any, change: Change) -> Any:
        return moved(value, change, "sort")


class TagCounts(Primer):
    """By the automatic model of a ManyToManyField, whose table has a model of its own besides."""

    key = "zoo_tag_count"
    depends_on = (Depends(Item.tags.through, columns=["item_id"]),)

    def compute(self) -> Any:
        return Item.tags.through.objects.count()


def moved(value: Any, change: Change, name: str) -> Any:
    """The sorted values after a change of one of them."""
    if change.old:
        value.remove(change.old[name])
    if change.new:
        value.append(change.new[name])
    return sorted(value)
