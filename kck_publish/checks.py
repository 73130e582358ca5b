"""The library's system checks.

Settings (E001), declarations (E002, E004, W006, E007), databases (E008, W009),
triggers (W003), tables (W005).
Connected by importing this module in ``apps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core import checks
from django.db import connections, router

from kck_publish.capture import install
from kck_publish.capture.sql import virtual_columns
from kck_publish.conf import problems, settings
from kck_publish.exceptions import ConfigurationError, InvalidPrimer, StoreMissing
from kck_publish.products import registry
from kck_publish.routing import PrimaryRouter
from kck_publish.rows.publish import unreadable


@checks.register(checks.Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Everything wrong with KCK_PUBLISH."""
    return [checks.Error(problem, id="kck_publish.E001") for problem in problems()]


@checks.register(checks.Tags.models)
def check_declarations(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A dependency on what does not exist, or a ring of products."""
    try:
        registry.graph()
    except InvalidPrimer as error:
        return [checks.Error(str(error), id="kck_publish.E002")]
    return []


@checks.register(checks.Tags.models)
def check_columns(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A dependency on a column whose value a trigger cannot see."""
    try:
        sources = registry.sources()
    except InvalidPrimer:
        return []  # E002 names it
    return [
        checks.Error(
            f"Something depends on the value of {source.table}.{column}, a generated column with "
            "db_persist=False, which PostgreSQL does not show to triggers. Depend on the columns "
            "that it is computed from, or make it db_persist=True.",
            obj=source.model,
            id="kck_publish.E004",
        )
        for source in sources
        for column in sorted(virtual_columns(source).intersection(source.captured))
    ]


@checks.register(checks.Tags.models)
def check_publish(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A model's own ``publish`` that does not say what it publishes when its row is empty."""
    try:
        registry.graph()
    except InvalidPrimer:
        return []  # E002 names it
    return [
        checks.Warning(
            f"{label}.publish() could not be run on an empty row ({why}), so the lookups that it "
            "publishes by are not known.",
            hint="Call publish_by() first, or declare the lookups in cached_by.",
            obj=apps.get_model(label),
            id="kck_publish.W006",
        )
        for label, why in sorted(unreadable.items())
    ]


@checks.register(checks.Tags.models)
def check_databases(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A source that the routers keep in another database than the log and the store are in."""
    try:
        sources, alias = registry.sources() if router.routers else [], settings.DATABASE
    except (InvalidPrimer, ConfigurationError):
        return []  # E002 or E001 names it
    return [
        checks.Error(
            f"{source.model._meta.label} is written in the database {found!r}, where no listener "
            f"follows it: KCK_PUBLISH['DATABASE'] is {alias!r}, and products are made of its "
            "tables alone.",
            hint="Keep the model in that database, or make it no CacheModel and depend on it not.",
            obj=source.model,
            id="kck_publish.E008",
        )
        for source in sources
        if (found := router.db_for_write(source.model)) != alias
    ]


@checks.register(checks.Tags.models)
def check_replicas(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Computes that would read what they are made of from a replica."""
    if not router.routers or isinstance(router.routers[0], PrimaryRouter):
        return []
    try:
        sources, alias = registry.sources(), settings.DATABASE
    except (InvalidPrimer, ConfigurationError):
        return []  # E002 or E001 names it
    return [
        checks.Warning(
            f"{source.model._meta.label} is read from the database {found!r}: a product that is "
            "computed from a replica may be older than the change that it is computed for.",
            hint="Put 'kck_publish.routing.PrimaryRouter' first in DATABASE_ROUTERS.",
            obj=source.model,
            id="kck_publish.W009",
        )
        for source in sources
        if (found := router.db_for_read(source.model)) != alias
    ]


@checks.register(checks.Tags.models)
def check_eager(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """An eager product whose keys nobody can name."""
    try:
        products = registry.graph().products.values()
    except InvalidPrimer:
        return []  # E002 names it
    return [
        checks.Error(
            f"{product.name} is eager and has parameters, but no domain(): nobody knows which of "
            "its keys are to be primed.",
            hint="Write domain(), or leave out eager.",
            obj=product,
            id="kck_publish.E007",
        )
        for product in products
        if product.eager and product.parameters and not product.warm
    ]


@checks.register(checks.Tags.database)
def check_tables(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The library's own tables. A warning, as below: ``migrate`` must be able to start."""
    try:
        alias = settings.DATABASE
    except ConfigurationError:
        return []  # E001 names it
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql":
        return []
    there = set(connections[alias].introspection.table_names())
    return [
        checks.Warning(str(StoreMissing(model._meta.db_table, alias)), id="kck_publish.W005")
        for model in apps.get_app_config("kck_publish").get_models()
        if model._meta.db_table not in there and router.allow_migrate_model(alias, model)
    ]


@checks.register(checks.Tags.database)
def check_capture(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Triggers that are missing, disabled or outdated: ``check --database default`` asks.

    Warnings, because errors would stop ``migrate``, which is their cure. (The listener does not
    start with them.) Use ``check --database default --fail-level WARNING`` to fail a deploy.
    """
    try:
        faults = [
            fault
            for alias in databases or ()
            for fault in install.faults(alias, registry.sources())
        ]
    except InvalidPrimer:
        return []  # E002 names it
    return [checks.Warning(str(fault), id="kck_publish.W003") for fault in faults]
