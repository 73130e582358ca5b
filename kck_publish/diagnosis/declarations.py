"""Settings and declarations that cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.apps import apps

from ..capture.row_sql import virtual_columns
from ..conf import problems
from ..exceptions import InvalidPrimer
from ..products import registry
from ..products.options import OPTIONS, Options
from ..products.rights import Public
from ..retry_policy import Retry
from ..rows.model import CacheModel
from ..rows.publish import Hook, hook_of, unreadable
from .registry import Asks, Problem, diagnosis


@diagnosis("settings", Asks.CODE)
def wrong_settings(alias: str) -> Iterator[Problem]:
    """Everything wrong with KCK_PUBLISH."""
    for problem in problems():
        yield Problem("E001", problem)


@diagnosis("declarations", Asks.CODE)
def wrong_declarations(alias: str) -> Iterator[Problem]:
    """A dependency on what does not exist, or a ring of products."""
    try:
        registry.graph()
    except InvalidPrimer as error:
        yield Problem("E002", str(error))


@diagnosis("generated columns", Asks.CODE)
def unseen_columns(alias: str) -> Iterator[Problem]:
    """A dependency on a column whose value a trigger cannot see."""
    for source in registry.sources():
        for column in sorted(virtual_columns(source).intersection(source.captured)):
            yield Problem(
                "E004",
                f"Something depends on the value of {source.table}.{column}, a generated column "
                "with db_persist=False, which PostgreSQL does not show to triggers.",
                "Depend on the columns that it is computed from, or make it db_persist=True.",
                source.model,
            )


@diagnosis("publish", Asks.CODE)
def unreadable_publish(alias: str) -> Iterator[Problem]:
    """A model's own ``publish`` that does not say what it publishes when its row is empty."""
    registry.graph()
    for label, why in sorted(unreadable.items()):
        yield Problem(
            "W006",
            f"{label}.publish() could not be run on an empty row ({why}), so the lookups that it "
            "publishes by are not known.",
            "Call publish_by() first, or declare the lookups in cached_by.",
            apps.get_model(label),
        )


@diagnosis("names", Asks.CODE)
def taken_names(alias: str) -> Iterator[Problem]:
    """A model whose own ``publish`` is not the hook of CacheModel."""
    registry.graph()
    for model in apps.get_models():
        ours = issubclass(model, CacheModel) and not model._meta.proxy
        if ours and hook_of(model) is Hook.ANOTHER:
            yield Problem(
                "W027",
                f"{model._meta.label}.publish is not the hook of CacheModel, as it calls "
                "neither super().publish() nor publish_by(), or is a field or takes "
                "arguments: it is left alone, and rows are published as declared.",
                "If it is to say what a row publishes, call super().publish() in it. If not, "
                "rename it, or silence this check.",
                model,
            )


@diagnosis("options of rows", Asks.CODE)
def unheard_options(alias: str) -> Iterator[Problem]:
    """An option of a Primer on a CacheModel, whose rows do not obey it."""
    for model in apps.get_models():
        is_row = issubclass(model, CacheModel) and not issubclass(model, Options)
        if not is_row or model._meta.proxy:
            continue
        unheard = [name for name in OPTIONS if _is_meant(name, getattr(model, name, None))]
        if unheard:
            yield Problem(
                "W038",
                f"{model._meta.label} says {', '.join(unheard)}, which are options of a Primer: "
                "its rows, lists and cached methods do not obey them.",
                "Declare a Primer of your own for what needs them, or take them out.",
                model,
            )


def _is_meant(name: str, value: object) -> bool:
    """Whether a value can only be meant for the library, and is no attribute of the project's."""
    return (
        isinstance(value, timedelta | Retry)
        or value is Public
        or (name == "when_behind" and value in ("serve", "compute", "raise"))
        or (name == "prime_on_cache_miss" and isinstance(value, bool))
    )


@diagnosis("eager products", Asks.CODE)
def unknown_domains(alias: str) -> Iterator[Problem]:
    """An eager product whose keys nobody can name."""
    for product in registry.graph().products.values():
        if product.eager and product.parameters and not product.warm:
            yield Problem(
                "E007",
                f"{product.name} is eager and has parameters, but no domain(): nobody knows which "
                "of its keys are to be primed.",
                "Write domain(), or leave out eager.",
                product,
            )
