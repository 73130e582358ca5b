"""Depends: from a changed row, or a refreshed product, to the keys that depend on it. Pure.

A primer lists its dependencies; the registry asks them what to capture, and ``refresh`` asks
them which keys a change touches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.db.models import Field, Model

from ..exceptions import InvalidPrimer, UnreadableValue
from ..log.change import Change as Change
from ..log.image import Image
from ..public_names import public_in
from .columns import attname as attname
from .columns import concrete, has_column
from .columns import fields_of as fields_of
from .join_walk import OldRows
from .paths import Node, Tree, add_parents
from .touched_keys import ALL as ALL
from .touched_keys import SHOWN, follow, told
from .touched_keys import All as All
from .touched_keys import Touch as Touch

# What a dependency's ``keys`` may give: parameter dicts, one of them, or ALL.
Keys = Iterable[Mapping[str, Any]] | Mapping[str, Any] | All


@public_in("kck_publish")
class Depends:
    """One dependency of a primer.

    Args:
        on: a model, or the name of another product.
        keys: a callable from a Change to parameter dicts (or ALL), or ALL itself. It may query,
            and sees the batch's snapshot.
        columns: the columns of the row that the product reads; changes of others are ignored.
            Without it any changed column counts.
        reads: models that are read on purpose without depending on them.
        mapping: the primer's parameters, each from a column of the row, or from what a lookup
            path leads to (``country="author__country"``: the rows on the way are depended on,
            too), or from a parameter of the product depended on. Parameters left out match every
            stored key.

    Raises:
        InvalidPrimer: for arguments that cannot work, where they stand.
    """

    def __init__(
        self,
        on: type[Model] | str,
        *,
        keys: Callable[[Change], Keys] | All | None = None,
        columns: Sequence[str] | None = None,
        reads: Sequence[type[Model]] = (),
        **mapping: str,
    ) -> None:
        if not isinstance(on, str) and not _is_model(on):
            raise InvalidPrimer(f"Depends takes a model or a product's name, not {on!r}.")
        if keys is not None and mapping:
            raise InvalidPrimer(
                f"Depends({_name(on)}) has both keys= and mapped parameters: use one of them."
            )
        if isinstance(on, str) and columns is not None:
            raise InvalidPrimer(f"Depends({on!r}): a product has no columns; leave them out.")
        if isinstance(columns, str):
            raise InvalidPrimer(f"Depends({_name(on)}): columns takes a list of names.")
        self.keys = keys
        self.reads = tuple(reads)
        self.on: type[Model] | str = on if isinstance(on, str) else concrete(on)
        self.mapping = dict(mapping)
        self.columns = None if columns is None else tuple(columns)

    @classmethod
    def by(
        cls,
        on: type[Model] | str,
        mapping: Mapping[str, str],
        columns: Sequence[str] | None = None,
    ) -> Depends:
        """A dependency with this mapping, for names that are only known when it is made.

        They may be those of the other arguments: of fields called keys, columns or reads.
        """
        dependency = cls(on, columns=columns)
        dependency.mapping = dict(mapping)
        return dependency

    @classmethod
    def along(
        cls,
        tree: Tree,
        mapping: Mapping[str, str],
        columns: Sequence[str] | None = None,
    ) -> Depends:
        """A dependency on the rows of a tree's root, and on those that it leads to."""
        dependency = cls.by(tree.root.model, mapping, columns)
        dependency._given = tree
        return dependency

    _given: Tree | None = None
    # Paths whose ends are shown to augment besides, in the images of a change.
    shows: Sequence[str] = ()

    @cached_property
    def tree(self) -> Tree | None:
        """The tables that its paths lead through; None where there are none.

        Raises:
            InvalidPrimer: a path leads nowhere.
        """
        if isinstance(self.on, str):
            return None
        if self._given is None and not self.has_paths:
            return None
        tree = self._given or Tree(self.on)
        if self.has_paths:
            add_parents(tree)
        for parameter, path in (self.mapping | self._ends).items():
            tree.map(parameter, path)
        return tree

    @property
    def _ends(self) -> dict[str, str]:
        """What is shown to augment besides, under names that no parameter has."""
        return {f"{SHOWN}{path}": path for path in self.shows}

    @cached_property
    def has_paths(self) -> bool:
        """Whether the keys that a changed row touches have to be looked up: by paths."""
        on = self.on
        if isinstance(on, str):
            return False
        return not all(has_column(on, name) for name in (*self.mapping.values(), *self.shows))

    @property
    def nodes(self) -> Sequence[Node]:
        """The tables that its paths lead through."""
        return () if self.tree is None else self.tree.nodes

    @property
    def spanning(self) -> bool:
        """Whether what is touched depends on what other changed rows were, too."""
        return self.tree is not None and self.tree.spanning

    @property
    def looked(self) -> bool:
        """Whether ``targets_of`` is to be asked, for many changes at once."""
        return self.has_paths

    @property
    def product(self) -> str | None:
        """The product depended on, or None when it is a model."""
        return self.on if isinstance(self.on, str) else None

    @property
    def models(self) -> tuple[type[Model], ...]:
        """The models whose tables hold the row: several for multi-table inheritance."""
        if isinstance(self.on, str):
            return ()
        return (self.on, *(parent for parent in self.on._meta.all_parents if _has_table(parent)))

    @property
    def found_by(self) -> tuple[Field[Any, Any], ...]:
        """The columns by which keys are found: those that are mapped, and those that join rows."""
        if isinstance(self.on, str):
            return ()
        names = [] if self.has_paths else list(self.mapping.values())
        fields = [field for name in names for field in fields_of(self.on, name)]
        for node in self.tree.nodes if self.tree else ():
            fields += [field for name in node.links for field in fields_of(node.model, name)]
        return tuple(fields)

    def fields_of(self, parameter: str) -> tuple[Field[Any, Any], ...]:
        """The column that a parameter is mapped from, if it is one."""
        if isinstance(self.on, str) or parameter not in self.mapping:
            return ()
        if self.has_paths and self.tree is not None:
            return (self.tree.resolve(self.mapping[parameter])[1],)
        fields = fields_of(self.on, self.mapping[parameter])
        return fields if len(fields) == 1 else ()

    def wanted(self, model: type[Model]) -> tuple[str, ...]:
        """The attnames of this table that the dependency names (mapped ones and columns)."""
        return self._wanted.get(model, ())

    @cached_property
    def _wanted(self) -> dict[type[Model], tuple[str, ...]]:
        if isinstance(self.on, str):
            return {}
        names = [*(() if self.has_paths else self.mapping.values()), *(self.columns or ())]
        by_model: dict[type[Model], dict[str, None]] = defaultdict(dict)
        for name in names:
            for field in fields_of(self.on, name):
                by_model[field.model][field.attname] = None
        for node in self.tree.nodes if self.tree else ():
            if node.own:
                by_model[node.model].update(node.links)
        return {model: tuple(attnames) for model, attnames in by_model.items()}

    @cached_property
    def _columns_of(self) -> dict[str, str]:
        """Each mapped parameter's place in an image: an attname, or the product's parameter."""
        if isinstance(self.on, str):
            return self.mapping
        columns = {name: attname(self.on, column) for name, column in self.mapping.items()}
        if self.on._meta.parents:  # each table of the row has the key, under a name of its own
            key = self.on._meta.pk.attname
            columns = {name: "pk" if place == key else place for name, place in columns.items()}
        return columns

    def counts(self, change: Change) -> bool:
        """Whether this change matters: an update of other columns does not."""
        if self.columns is None or change.op != "update" or isinstance(change.source, str):
            return True
        old, new = change.old, change.new
        if old is None or new is None:
            return True
        return any(_differs(old, new, name) for name in self.wanted(change.source))

    def targets(self, change: Change) -> list[Mapping[str, Any]] | All:
        """The parameters, perhaps only some of them, of the keys that the change touches."""
        if change.op == "truncate" or isinstance(self.keys, All):
            return ALL
        if self.keys is not None:
            touched = self.keys(change)
            if isinstance(touched, All):
                return ALL
            return [touched] if isinstance(touched, Mapping) else list(touched)
        if not self.mapping:
            return ALL
        targets: list[Mapping[str, Any]] = []
        for image in (change.old, change.new):
            if image is None:
                continue
            translated = self.translate(change, image)
            if translated is None:
                return ALL
            for target in translated:
                if target not in targets:
                    targets.append(target)
        return targets

    def targets_of(self, changes: Sequence[Change], old: OldRows) -> list[Touch] | All:
        """The parameters that each of many changes touches.

        Args:
            changes: of rows that it depends on.
            old: what rows were before the batch.
        """
        assert self.tree is not None
        own: dict[type[Model], Node] = {node.model: node for node in self.tree.nodes if node.own}
        touches = follow(self.tree, own, changes, old)
        if isinstance(touches, All) or len(own) > 1 or not self.tree.forward:
            return touches
        return list(told(changes, touches, self.mapping, self._ends))

    def translate(
        self, change: Change, image: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]] | None:
        """The mapped parameters of one image; None when it lacks a column (older triggers)."""
        names = self._columns_of
        try:
            return [{parameter: image[name] for parameter, name in names.items()}]
        except UnreadableValue:
            return []  # no key has what Python cannot hold
        except KeyError:
            if isinstance(self.on, str):
                raise
        if change.source is self.on and not self.on._meta.parents:
            return None
        # One table of a multi-table row changed, and the column is in another one.
        rows = self.on._base_manager.filter(pk=image["pk"]).values(*set(names.values()))
        if change.source is self.on and not rows:
            return None  # deleted, and what it depended by is not known
        return [{parameter: row[name] for parameter, name in names.items()} for row in rows]

    def shown(self, change: Change) -> Change:
        """The change with the columns that this dependency names only: what augment sees."""
        if isinstance(change.source, str) or (names := self.names_shown(change.source)) is None:
            return change
        old, new = (_only(image, names) for image in (change.old, change.new))
        return replace(change, old=old, new=new)

    def names_shown(self, model: type[Model]) -> set[str] | None:
        """The names in an image of this table that ``shown`` leaves in it; None for all."""
        if self.columns is None:
            return None
        names = {"pk", *self.wanted(model)}
        if self.has_paths:
            names.update(self.mapping.values(), self.shows)
        names.update(field.attname for field in model._meta.pk_fields)
        return names


class Looked(Depends):
    """A dependency on rows whose keys have to be looked up: asked for many changes at once."""

    @property
    def how(self) -> str:
        """The mapping to keys, for the graph."""
        raise NotImplementedError

    looked = True


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    """Whether a column has changed; in doubt, yes."""
    if name in old and name in new:
        return bool(old[name] != new[name])
    if isinstance(old, Image) and isinstance(new, Image) and name in old.unreadable:
        return old.unreadable[name] != new.unreadable.get(name)
    return True


def _only(image: Mapping[str, Any] | None, names: set[str]) -> Mapping[str, Any] | None:
    if isinstance(image, Image):
        return image.only(names)
    return image and {name: value for name, value in image.items() if name in names}


def _is_model(on: object) -> bool:
    """Whether it is a model that has a table."""
    if not (isinstance(on, type) and issubclass(on, Model)) or on is Model:
        return False
    return not on._meta.abstract


def _has_table(model: type[Model]) -> bool:
    return not model._meta.abstract and not model._meta.proxy


def _name(on: object) -> str:
    return on.__name__ if isinstance(on, type) else repr(on)
