"""The declarations that follow from the rows that were read: as objects, and as text to paste."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.apps import apps
from django.db.models import Model

from .lookups import Mapped, attname_of, many_to_many, models_by_table, relations
from .observed import Rows


@dataclass(frozen=True)
class Declaration:
    """What to write into ``depends_on``.

    Attributes:
        model: depended on.
        mapping: the parameters, each from a column or a lookup path of it.
        columns: those that are read; None: rows are loaded whole, or it cannot be told.
    """

    model: type[Model]
    mapping: Mapped = field(default_factory=dict)
    columns: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """How the model is written down."""
        owner = _owner(self.model)
        return f"{owner[0].__name__}.{owner[1]}.through" if owner else self.model.__name__

    @property
    def imports(self) -> tuple[str, str]:
        """The module and the name that the text needs."""
        owner = _owner(self.model)
        model = owner[0] if owner else self.model
        return model.__module__, model.__name__

    def __str__(self) -> str:
        return depends_text(self.name, self.mapping, self.columns)

    def named(self, name: str) -> str:
        """The text where the model is known by another name."""
        own = self.imports[1]
        return depends_text(self.name.replace(own, name, 1), self.mapping, self.columns)


def depends_text(name: str, mapping: Mapping[str, str], columns: Sequence[str] | None) -> str:
    """The text of a Depends."""
    arguments = [name, *(f'{parameter}="{path}"' for parameter, path in mapping.items())]
    if columns is not None:
        arguments.append("columns=[" + ", ".join(f'"{column}"' for column in columns) + "]")
    return f"Depends({', '.join(arguments)})"


def declarations(
    tables: Collection[str],
    found: Sequence[Rows],
    used: Mapping[str, Collection[str]] | None,
) -> list[Declaration]:
    """What to declare for the tables that were read, in the order of the tables.

    Args:
        tables: those that PostgreSQL has read; one without a model is left out.
        found: the rows that statements found in them.
        used: by table, the columns that statements use, but for rows that are loaded whole; None
            where that cannot be told.
    """
    models = models_by_table()
    read = {models[table] for table in tables if table in models}
    parents = {parent for model in read for parent in model._meta.all_parents}
    declared = []
    for model in sorted(read - parents, key=lambda model: model._meta.db_table):
        mine = [rows for rows in found if rows.model in (model, *model._meta.all_parents)]
        own = [rows for rows in mine if rows.model is model]
        if model._meta.auto_created and _is_on_the_way(model, found):
            continue
        columns = None
        if used is not None and mine and not any(rows.whole for rows in mine):
            columns = _columns(model, used)
        for mapping in _mappings(own):
            named = {*mapping.values(), *_links(model, mapping), "pk", model._meta.pk.attname}
            rest = None if columns is None else tuple(each for each in columns if each not in named)
            declared.append(Declaration(model, mapping, rest))
    return declared


def _mappings(found: Sequence[Rows]) -> list[Mapped]:
    """The distinct mappings; one without any parameter stands for all."""
    mappings: list[Mapped] = []
    for rows in found:
        if not rows.mapping:
            return [{}]
        if rows.mapping not in mappings:
            mappings.append(rows.mapping)
    return mappings or [{}]


def _links(model: type[Model], mapping: Mapped) -> set[str]:
    """The foreign keys by which paths leave a model: they count without being named."""
    steps = {path.partition("__")[0] for path in mapping.values()}
    return {field.attname for field in model._meta.concrete_fields if field.name in steps}


def _columns(model: type[Model], used: Mapping[str, Collection[str]]) -> list[str]:
    """The attnames that are used of a model's tables."""
    names = []
    for table in (model, *model._meta.all_parents):
        for column in sorted(used.get(table._meta.db_table, ())):
            name = attname_of(table, column)
            if name is not None and not (name == "pk" and table is not model):
                names.append(table._meta.pk.attname if name == "pk" else name)
    return names


def _is_on_the_way(through: type[Model], found: Sequence[Rows]) -> bool:
    """Whether a path leads over an automatic many-to-many table, so that its rows count by it."""
    for rows in found:
        for path in rows.mapping.values():
            step, model = path.partition("__")[0], rows.model
            for field_ in relations(model):
                if field_.name == step and field_.many_to_many:
                    names = [str(each.column) for each in through._meta.local_concrete_fields]
                    if any(many_to_many(model, through, name) == step for name in names):
                        return True
    return False


def _owner(through: type[Model]) -> tuple[type[Model], str] | None:
    """The model and the field of an automatic many-to-many table."""
    if not through._meta.auto_created:
        return None
    for model in apps.get_models():
        for field_ in model._meta.local_many_to_many:
            if field_.remote_field.through is through:
                return model, field_.name
    return None
