"""The options of a Primer, declared once: names, types, defaults, and the values refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta

from ..exceptions import InvalidPrimer
from ..retry_policy import Retry
from . import content_codings, rights
from .rights import Rule
from .timetable import timetable

_BEHIND = ("serve", "compute", "raise")
_FLAGS = ("eager", "prime_on_cache_miss", "show_value")
_KINDS: dict[str, tuple[type, ...]] = {
    "soft_expire": (timedelta, type(None)),
    "hard_expire": (timedelta, type(None)),
    "max_lag": (timedelta,),
    "live_interval": (timedelta,),
    "retry": (Retry, type(None)),
}


class Options:
    """The options of a product, as attributes of a class.

    They are read when used and never copied: a test or a project may change them on the class.

    Attributes:
        eager: keep the whole ``domain`` primed.
        prime_on_cache_miss: whether a read computes what is not stored.
        soft_expire, hard_expire: for products fed from outside the database; None for never.
        refresh_every: a timedelta or a cron string; None for never.
        when_behind: ``"serve"``, ``"compute"`` or ``"raise"`` once the lag passes ``max_lag``.
        retry: what is done when a refresh fails; None for the settings' default.
        max_bytes: the largest value that is stored; None: the setting MAX_VALUE_BYTES.
        time_limit: the longest time of a compute; None: the setting TIME_LIMIT.
        check_augment: the share of augmented values that are compared with a compute, 0 to 1.
        live: who may see it in a browser, by the live hub or a ProductView: ``Public``, a
            permission, a list of permissions (an empty one: anybody who is logged in), or a
            callable ``(request, parameters) -> bool``; None for nobody.
        live_interval: at most one event per interval and client.
        content_encodings: the codings (``"zstd"``, ``"gzip"``) in which a view may send its
            bytes, the preferred first. For answers that hold no secret (BREACH).
        show_value: whether operators with the permission ``view_value`` may see its values.
    """

    eager: bool = False
    prime_on_cache_miss: bool = True
    soft_expire: timedelta | None = None
    hard_expire: timedelta | None = None
    refresh_every: timedelta | str | None = None
    when_behind: str = "serve"
    max_lag: timedelta = timedelta(seconds=30)
    retry: Retry | None = None
    max_bytes: int | None = None
    time_limit: timedelta | None = None
    check_augment: float = 0.0
    live: Rule = None
    live_interval: timedelta = timedelta(0)
    content_encodings: tuple[str, ...] = ()
    show_value: bool = True

    @classmethod
    def lag_outside(cls) -> float:
        """By how many seconds it is behind what is no listener's task, where that is known."""
        return 0.0


OPTIONS = tuple(Options.__annotations__)


def check_options(product: str, options: Options | type[Options]) -> None:
    """Raise InvalidPrimer for the first option of a product that cannot work."""
    for problem in _problems(options):
        raise InvalidPrimer(f"{product}: {problem}.")


def _problems(options: Options | type[Options]) -> Iterator[str]:
    behind, most, limit = options.when_behind, options.max_bytes, options.time_limit
    if behind not in _BEHIND:
        yield f"when_behind is one of {', '.join(map(repr, _BEHIND))}, not {behind!r}"
    if most is not None and (type(most) is not int or most < 1):
        yield f"max_bytes is a number of bytes, not {most!r}"
    if limit is not None and not (isinstance(limit, timedelta) and limit > timedelta(0)):
        yield f"time_limit is a timedelta, not {limit!r}"
    for name, kinds in _KINDS.items():
        value: object = getattr(options, name)
        if not isinstance(value, kinds):
            yield f"{name} is a {kinds[0].__name__}, not {value!r}"
        elif isinstance(value, timedelta) and value < timedelta(0):
            yield f"{name} is no time in the past, not {value!r}"
    if options.refresh_every is not None:
        try:
            timetable(options.refresh_every, UTC)
        except ValueError as wrong:
            yield f"refresh_every: {wrong}"
    if (wrong_rule := rights.problem(options.live)) is not None:
        yield wrong_rule
    if (wrong_coding := content_codings.problem(options.content_encodings)) is not None:
        yield wrong_coding
    for name in _FLAGS:
        if not isinstance(getattr(options, name), bool):
            yield f"{name} is True or False, not {getattr(options, name)!r}"
    share = options.check_augment
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        yield f"check_augment is a share from 0 to 1, not {share!r}"
