"""Managers that give other rows than ``.cached``."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Manager

from ..products import registry
from ..rows.conditions import conditions_differ
from ..rows.managers import unfollowed
from ..rows.model import CacheModel
from .registry import Asks, Problem, diagnosis


@diagnosis("managers", Asks.CODE)
def other_rows(alias: str) -> Iterator[Problem]:
    """A proxy that cannot be read by ``.cached``, and an ``objects`` beside the default manager."""
    registry.graph()
    for proxy, why in unfollowed.items():
        yield Problem(
            "W019",
            f"{proxy._meta.label}.cached refuses every read: the default manager of this proxy "
            f"cannot be followed ({why}).",
            "Name one that chooses rows by their own columns in Meta.default_manager_name, or "
            "read the proxy by its managers only.",
            proxy,
        )
    for model in apps.get_models():
        if issubclass(model, CacheModel) and _objects_differ(model):
            yield Problem(
                "W020",
                f"{model._meta.label}.objects gives other rows than the default manager "
                f"({model._default_manager.name}), and .cached gives those of the latter.",
                'Set Meta.default_manager_name = "objects" if .cached is to hide what objects '
                "hides; silence this check if it is not.",
                model,
            )


def _objects_differ(model: type[CacheModel]) -> bool:
    objects = getattr(model, "objects", None)
    if not isinstance(objects, Manager) or objects == model._default_manager:
        return False
    return conditions_differ(model, objects)
