"""Routers that send sources to other databases than the one with the log and the store."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS, router

from ..products import registry
from ..routing import PrimaryRouter
from .registry import Asks, Problem, diagnosis


@diagnosis("sources elsewhere", Asks.CODE)
def written_elsewhere(alias: str) -> Iterator[Problem]:
    """A source that is written in another database than the log and the store are in."""
    for source in registry.sources():
        if (written := router.db_for_write(source.model)) != alias:
            yield Problem(
                "E008",
                f"{source.model._meta.label} is written in the database {written!r}, where no "
                f"listener follows it: KCK_PUBLISH['DATABASE'] is {alias!r}, and products are made "
                "of its tables alone.",
                "Keep the model in that database, or make it no CacheModel and depend on it not."
                if router.routers
                else f"Without DATABASE_ROUTERS all models are in {DEFAULT_DB_ALIAS!r}: let that "
                f"be DATABASE, or write a router that keeps them in {alias!r}.",
                source.model,
            )


def computed_elsewhere(alias: str) -> list[str]:
    """The sources that a compute of this process would read in another database than this one."""
    return [
        f"{source.model._meta.label} in {read!r}"
        for source in registry.sources()
        if (read := router.db_for_read(source.model)) != alias
    ]


@diagnosis("replicas", Asks.CODE)
def read_from_replicas(alias: str) -> Iterator[Problem]:
    """Computes that would read what they are made of from a replica."""
    if not router.routers or isinstance(router.routers[0], PrimaryRouter):
        return  # without any, what is written elsewhere is named for that
    for source in registry.sources():
        if (read := router.db_for_read(source.model)) != alias:
            yield Problem(
                "W009",
                f"{source.model._meta.label} is read from the database {read!r}: a product that is "
                "computed from a replica may be older than the change that it is computed for.",
                "Put 'kck_publish.routing.PrimaryRouter' first in DATABASE_ROUTERS.",
                source.model,
            )
