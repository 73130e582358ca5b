"""Which annotations of a view's queryset change no answer of a product.

Annotations that only order or filter are asked of the database with the keys. One that the
serializer may show has to be the primer's own; one that may give a row twice is not reproduced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import ForeignKey, Func, OneToOneRel
from django.db.models.expressions import Col, RawSQL
from django.db.models.sql import Query

from .products import SerializerProduct


def are_reproduced(query: Query, product: SerializerProduct) -> bool:
    """Whether the rows, and what the serializer shows of them, are those without annotations."""
    if not query.annotations:
        return True
    repeated = _repeated(query)
    return all(
        _is_known(annotation) and not repeated & set(_aliases(annotation))
        for annotation in query.annotations.values()
    ) and (not product.field_reads.opaque or _are_its_own(query, product))


def _are_its_own(query: Any, product: SerializerProduct) -> bool:
    """Whether the primer annotates its rows in the same way.

    An aggregate means something else where rows are filtered, even by the same expression.
    """
    own: Any = product.primer.get_queryset().query
    return all(
        own.annotations.get(name) == annotation
        and not (annotation.contains_aggregate and query.where)
        for name, annotation in query.annotation_select.items()
    )


def _repeated(query: Any) -> set[str]:
    """The joined tables that may have several rows for one."""
    repeated: set[str] = set()
    for alias, join in query.alias_map.items():
        if join.parent_alias is None:
            continue
        single = isinstance(join.join_field, ForeignKey | OneToOneRel)
        if not single or join.parent_alias in repeated:
            repeated.add(alias)
    return repeated


def _aliases(annotation: Any) -> Iterator[str]:
    """The tables whose columns an annotation reads outside of its aggregates."""
    for part in annotation.get_group_by_cols():
        yield from (node.alias for node in part.flatten() if isinstance(node, Col))


def _is_known(annotation: Any) -> bool:
    """Whether it is made of Django's own expressions, which give one value a row."""
    return all(
        type(node).__module__.startswith("django.")
        and type(node) not in (Func, RawSQL)
        and not getattr(node, "set_returning", False)
        for node in annotation.flatten()
    )
