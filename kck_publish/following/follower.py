"""``Follower``: one's own code that follows the log, for relays, hubs and mirrors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import psycopg
from django.db.models import Model

from ..conf import settings
from ..exceptions import ConfigurationError, Forgotten
from ..log.change import Change
from ..log.consumers import SHARD
from ..products import registry
from ..products.depends import Depends
from ..products.run_async import never_awaited
from ..public_names import public_in
from .changes import ChangeStream
from .stored_products import StoredProduct, StoredStream
from .stream import Stream

if TYPE_CHECKING:
    from .follower_process import FollowerProcess


@public_in("kck_publish")
class Follower:
    """Follows committed changes, stored products, or both: what a subclass overrides.

    Declared in a module ``followers`` of an installed app, so that every process knows its
    ``sources``. One process follows under a name; a second one waits until that has ended.

    Attributes:
        name: of its cursor; ``kck_status`` shows it and ``kck_forget`` forgets it.
        sources: models, or ``Depends(Model, columns=[...])``: they are captured for it, and
            ``changes`` is handed these columns only, and no update of others. None: whatever is
            captured.
        products: the names of those that ``stored`` is handed; None for all.

    Raises:
        ConfigurationError: for a class that cannot work.
    """

    name: str = ""
    sources: ClassVar[Sequence[type[Model] | Depends] | None] = None
    products: ClassVar[Collection[str] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._check()
        registry.follow(f"{cls.__module__}.{cls.__qualname__}", cls._wanted() or ())

    def changes(self, batch: list[Change]) -> None:
        """Handle committed rows, each once, in commit-snapshot order.

        The cursor moves when this returns. After an error, or a crash, the batch comes again.
        """

    def stored(self, batch: list[StoredProduct]) -> None:
        """Handle products that were written or removed, each with its newest value.

        The cursor moves when this returns. When it begins, everything that is stored comes first.
        """

    def reset(self, reason: str) -> None:
        """Build anew what this keeps; it goes on with what is committed from now on.

        Args:
            reason: ``"new"``, the first time. Otherwise it has missed changes: ``"forgotten"``
                (``kck_forget``, ``FORGET_AFTER``), ``"cluster"`` (the database is a restored
                dump, or a standby that was promoted, which may lack what was handed on),
                ``"crashed"`` (the server, and with it the journal of what is stored),
                ``"truncated"`` (all that was stored is gone), ``"interrupted"`` (the reset before
                did not end).

        Raises:
            Forgotten: unless it is new; override this method to go on.
        """
        if reason != "new":
            raise Forgotten(self.name)

    def run(self) -> None:
        """Follow until ``stop``; a lost connection is made anew."""
        self.process.run()

    def stop(self) -> None:
        """Finish the batch and return from ``run``; a signal handler may call it."""
        self.process.stop()

    @property
    def process(self) -> FollowerProcess:
        """The process that runs it: one, whichever thread asks first."""
        from .follower_process import FollowerProcess

        if not self.name or self.name.startswith((SHARD, "near:")):
            raise ConfigurationError(f"{type(self).__qualname__} needs a name of its own.")
        # A cached property has no lock since Python 3.12: one thread would run, and another stop,
        # a process of its own.
        process = self.__dict__.get("_process")
        if process is None:
            process = self.__dict__.setdefault("_process", FollowerProcess(self))
        return cast("FollowerProcess", process)

    def streams(self, desk: psycopg.Connection[Any]) -> list[Stream]:
        """The streams that it follows, from the place where it was.

        Args:
            desk: the connection that it reads on, and that holds its lock.
        """
        streams: list[Stream] = []
        if type(self).changes is not Follower.changes:
            wanted = self._wanted()
            tables = None if wanted is None else _by_table(wanted)
            alias = settings.DATABASE
            streams.append(ChangeStream(desk, self.name, self.reset, self.changes, tables, alias))
        if type(self).stored is not Follower.stored:
            streams.append(StoredStream(desk, self.name, self.reset, self.stored, self.products))
        if not streams:
            raise ConfigurationError(
                f"{type(self).__qualname__} overrides neither changes nor stored: it follows "
                "nothing."
            )
        return streams

    @classmethod
    def _check(cls) -> None:
        """Refuse what would follow nothing, or other things. Raises ConfigurationError."""
        if not isinstance(cls.name, str):
            raise ConfigurationError(f"{cls.__qualname__}.name is a text, not {cls.name!r}.")
        if lost := never_awaited(cls):
            raise ConfigurationError(
                f"{cls.__qualname__}.{lost[0]} must not be async def: nobody awaits it, and what "
                "it is handed would be lost."
            )
        for option, taken in (("sources", cls.sources), ("products", cls.products)):
            if isinstance(taken, str) or not isinstance(taken, Collection | None):
                raise ConfigurationError(f"{cls.__qualname__}.{option} takes a list.")
        for product in cls.products or ():
            if not isinstance(product, str):
                raise ConfigurationError(
                    f"{cls.__qualname__}.products takes names of products, not {product!r}."
                )

    @classmethod
    def _wanted(cls) -> list[Depends] | None:
        if cls.sources is None:
            return None
        wanted = [
            source if isinstance(source, Depends) else Depends(source) for source in cls.sources
        ]
        for dependency in wanted:
            if dependency.product is not None or dependency.mapping or dependency.keys is not None:
                raise ConfigurationError(
                    f"{cls.__qualname__}.sources takes models, or Depends(Model, columns=[...])."
                )
        return wanted


def _by_table(wanted: Sequence[Depends]) -> dict[str, dict[object, Depends]]:
    found: dict[str, dict[object, Depends]] = {}
    for dependency in wanted:
        for model in dependency.models:
            found.setdefault(model._meta.db_table, {})[model] = dependency
    return found
