"""Depends: from a changed row, or a refreshed product, to the keys that depend on it. Pure.

A primer lists its dependencies; the registry asks them what to capture (see ``depended_rows``), and
``refresh`` asks them which keys a change touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from django.db.models import DurationField, Model, QuerySet

from ..conf import settings
from ..exceptions import InvalidPrimer, UnreadableValue
from ..log.change import Change as Change
from ..log.image import differs, only
from ..public_names import public_in
from .columns import concrete
from .columns import fields_of as fields_of
from .depended_rows import DependedRows
from .join_walk import OldRows
from .paths import Node, Tree
from .run_async import is_async
from .touched_keys import ALL as ALL
from .touched_keys import All as All
from .touched_keys import Touch as Touch
from .touched_keys import follow, told

# What a dependency's ``keys`` may give: parameter dicts, one of them, or ALL.
Keys = Iterable[Mapping[str, Any]] | Mapping[str, Any] | All


@public_in("kck_publish")
class Depends(DependedRows):
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
        if not isinstance(on, str) and on._meta.swapped:
            raise InvalidPrimer(
                f"Depends({_name(on)}): {on._meta.label} is swapped for {on._meta.swapped}, and "
                "has no table that changes: name that model (get_user_model(), for users)."
            )
        if keys is not None and mapping:
            raise InvalidPrimer(
                f"Depends({_name(on)}) has both keys= and mapped parameters: use one of them."
            )
        if not (keys is None or isinstance(keys, All) or callable(keys)):
            raise InvalidPrimer(
                f"Depends({_name(on)}): keys takes a callable, or ALL, not {keys!r}."
            )
        if isinstance(on, str) and columns is not None:
            raise InvalidPrimer(f"Depends({on!r}): a product has no columns; leave them out.")
        if isinstance(columns, str):
            raise InvalidPrimer(f"Depends({_name(on)}): columns takes a list of names.")
        if not isinstance(reads, Iterable):
            raise InvalidPrimer(f"Depends({_name(on)}): reads takes a list of models.")
        for name, column in mapping.items():
            if not isinstance(column, str):
                raise InvalidPrimer(f"Depends({_name(on)}): {name} is a name, not {column!r}.")
        if is_async(keys):
            raise InvalidPrimer(f"Depends({_name(on)}): keys must not be async def.")
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

    @property
    def looked(self) -> bool:
        """Whether ``targets_of`` is to be asked, for many changes at once."""
        return self.has_paths

    @property
    def product(self) -> str | None:
        """The product depended on, or None when it is a model."""
        return self.on if isinstance(self.on, str) else None

    def counts(self, change: Change) -> bool:
        """Whether this change matters: an update of other columns does not."""
        if self.columns is None or change.op != "update" or isinstance(change.source, str):
            return True
        old, new = change.old, change.new
        if old is None or new is None:
            return True
        return any(differs(old, new, name) for name in self.wanted(change.source))

    def targets(self, change: Change) -> list[Mapping[str, Any]] | All:
        """The parameters, perhaps only some of them, of the keys that the change touches."""
        if change.op == "truncate" or isinstance(self.keys, All):
            return ALL
        if self.keys is not None:
            touched = self.keys(change)
            if isinstance(touched, All):
                return ALL
            named = [touched] if isinstance(touched, Mapping) else list(touched)
            for target in named:
                if not isinstance(target, Mapping):
                    raise InvalidPrimer(f"keys= returns parameter dicts, or ALL, not {target!r}.")
            return named
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
        except UnreadableValue as error:
            field = fields_of(cast("type[Model]", self.on), error.column)[0]
            # Months are 30 days to a lookup by these. No key has anything else.
            return None if isinstance(field, DurationField) else []
        except KeyError:
            if isinstance(self.on, str):
                raise
        if change.source is self.on and not self.on._meta.parents:
            return None
        # One table of a multi-table row changed, and the column is in another one.
        rows: Any = QuerySet(self.on, using=settings.DATABASE)
        rows = rows.filter(pk=image["pk"]).values(*set(names.values()))
        if change.source is self.on and not rows:
            return None  # deleted, and what it depended by is not known
        return [{parameter: row[name] for parameter, name in names.items()} for row in rows]

    def shown(self, change: Change) -> Change:
        """The change with the columns that this dependency names only: what augment sees."""
        if isinstance(change.source, str) or (names := self.names_shown(change.source)) is None:
            return change
        old, new = (only(image, names) for image in (change.old, change.new))
        return replace(change, old=old, new=new)


def _is_model(on: object) -> bool:
    """Whether it is a model that has a table."""
    if not (isinstance(on, type) and issubclass(on, Model)) or on is Model:
        return False
    return not on._meta.abstract


def _name(on: object) -> str:
    return on.__name__ if isinstance(on, type) else repr(on)
