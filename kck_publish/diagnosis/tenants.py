"""Tenants of one database: rows that not everybody may see, and schemas that share a log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.db.models import Field, Model

from ..capture.catalog import OUR_NAMES
from ..capture.row_sql import quoted
from ..capture.source import Source, column_of
from ..products import registry
from ..products.depends import Depends, fields_of
from .registry import Asks, Problem, diagnosis

# The tables under row level security, with the columns that their policies ask for.
_SECURED = """
SELECT source, array(
    SELECT DISTINCT attname::text FROM pg_policy p
      JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
      JOIN pg_attribute a ON attrelid = p.polrelid AND attnum = d.refobjsubid
     WHERE p.polrelid = c.oid AND d.refobjsubid > 0)
  FROM unnest(%s::text[], %s::text[]) AS t (source, relation)
  JOIN pg_class c ON c.oid = to_regclass(relation) WHERE c.relrowsecurity
"""
# Tables of the same source whose triggers, by their functions' search path, write into one log.
_SHARED = """
WITH captured AS (
    SELECT DISTINCT c.relname::text AS source, c.relnamespace::regnamespace::text AS home, tgname, (
        SELECT log.relnamespace::regnamespace::text
          FROM unnest(string_to_array(substr(setting, 13), ', ')) WITH ORDINALITY AS p (name, place)
          JOIN pg_class log ON log.relname = 'kck_publish_change'
                           AND log.relnamespace::regnamespace::text = p.name
         ORDER BY place LIMIT 1) AS log
      FROM pg_trigger JOIN pg_proc f ON f.oid = tgfoid JOIN pg_class c ON c.oid = tgrelid,
           unnest(f.proconfig) AS setting
     WHERE tgname ~ %s AND setting LIKE 'search_path=%%' AND NOT c.relispartition
)
SELECT source, log, array_agg(DISTINCT home ORDER BY home) FROM captured WHERE log IS NOT NULL
 GROUP BY source, tgname, log HAVING count(DISTINCT home) > 1
"""


@diagnosis("row level security", Asks.DATABASE)
def secured_rows(alias: str) -> Iterator[Problem]:
    """Sources whose rows depend on the reader's role or session, which no stored value does."""
    sources = {source.table: source for source in registry.sources()}
    with connections[alias].cursor() as cursor:
        cursor.execute(_SECURED, [list(sources), [quoted(table) for table in sources]])
        for table, columns in cursor.fetchall():
            if not _is_parted(sources[table], set(columns)):
                yield Problem(
                    "E022",
                    f"{table} is under row level security: what is stored of it for one reader is "
                    "served to all.",
                    "Make the tenant (a column that each policy asks for) a parameter of every "
                    "product and lookup over the table. Or give each tenant a schema, with the "
                    "library's tables in it. If no web process is subject to the "
                    "policies, name kck_publish.E022 in SILENCED_SYSTEM_CHECKS.",
                    sources[table].model,
                )


@diagnosis("shared log", Asks.DATABASE)
def shared_log(alias: str) -> Iterator[Problem]:
    """Schemas that are switched by search_path, over one set of the library's tables."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_SHARED, [OUR_NAMES])
        shared = {source: (log, homes) for source, log, homes in cursor.fetchall()}
    for source, (log, homes) in sorted(shared.items()):
        yield Problem(
            "E023",
            f"{source} is in the schemas {', '.join(homes)}, and all of them share the library's "
            f"tables in {log}: what is stored for one is served to the others.",
            "Have the library's tables in each schema (with django-tenants: 'kck_publish' in "
            "TENANT_APPS), and a kck_listen for each.",
        )


def _is_parted(source: Source, columns: set[str]) -> bool:
    """Whether each product over a table has one of the columns among its parameters."""
    return all(
        columns & {column_of(field) for field in fields}
        for fields in (
            _mapped(dependency, source.model)
            for product in registry.graph().products.values()
            for dependency in product.depends_on
            if source.model in dependency.models
        )
    )


def _mapped(dependency: Depends, model: type[Model]) -> list[Field[Any, Any]]:
    """The columns of a table that parameters are mapped from."""
    if not dependency.has_paths:
        return [field for name in dependency.mapping.values() for field in fields_of(model, name)]
    fields = [field for name in dependency.mapping for field in dependency.fields_of(name)]
    return [field for field in fields if field.model is model]
