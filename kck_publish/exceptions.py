"""Every error of the library, in one tree. Imported by all layers; imports none.

    KckPublishError
    ├── UndeclaredLookup        .cached was asked for a lookup the model does not declare
    ├── MissingProduct          (also a KeyError) there is no value to give
    │   ├── UnknownProduct      nobody computes it
    │   └── NotPrimed           known, not stored, and priming was not allowed
    ├── KeyParameterMismatch    the parameters do not fit the product's key
    ├── VersionMismatch         check_version was given and the entry has moved on
    ├── Behind                  when_behind = "raise" and the value is too old
    ├── Unserializable          the value holds something that cannot be stored
    ├── TooLarge                the value has more bytes than may be stored
    ├── ConnectionLost          the server ends the connection whenever a key is computed
    ├── ComputeTimeout          a compute took longer than its time limit
    ├── Undecodable             stored bytes that are damaged or of another format
    ├── InvalidPrimer           a declaration that cannot work
    │   ├── DependencyCycle     products that depend on each other in a ring
    │   └── DuplicateProduct    two primers with one key
    ├── UndeclaredRead          STRICT: a compute read what it does not declare
    ├── UndeclaredReadWarning   (also a UserWarning) the same where DEBUG is on
    ├── ConfigurationError      KCK_PUBLISH, or an argument of a command, is wrong
    ├── StoreMissing            the store's table is not there
    ├── StoreUnreachable        the cache that STORE names does not answer
    ├── FetchFailed             a remote source did not answer, or not well
    ├── Fenced                  a listener lost its shard and must not write
    ├── ShardOccupied           another listener owns a shard, and does not come on with it
    ├── Forgotten               the log was not kept any longer for one who follows it
    ├── FetcherError            a DataFetcher that cannot work
    │   ├── BatchMismatch       a batch_load that does not answer what it was asked
    │   └── NoBatchLoad         (also a NotImplementedError) it has no batch_load at all
    ├── MissingRequestContext   there is no request here, and one was demanded
    ├── UntrustedNearFile       another user of the host may write the near store's file
    ├── RequestNeeded           a serializer that is a product asks who reads it
    └── Reprime                 raised by a user's augment, to ask for a prime

Constructors take the facts and build the message; the facts stay on the error as
attributes. All survive pickling, so they cross process boundaries in tests and pools.
"""

# ruff: noqa: N818  (the names are the public interface, and say what happened)

from __future__ import annotations

import copyreg
import os
from collections.abc import Iterable, Sequence
from typing import Any


class KckPublishError(Exception):
    """Root of all errors here. Catch it to catch whatever this library raises."""

    __module__ = "kck_publish"  # what pickles and tracebacks write down

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ == __name__:
            cls.__module__ = "kck_publish"

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    def __str__(self) -> str:
        # KeyError, a second base of some, would show the repr of the message.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call the constructor with the finished message.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class UndeclaredLookup(KckPublishError):
    """Declare the lookup in `cached_by` (one row) or `cached_lists` (many), or ask `.objects`."""

    def __init__(
        self,
        model: type | str,
        asked: Iterable[str],
        declared: Iterable[Iterable[str] | str],
        line: str = "",
    ) -> None:
        self.model = model if isinstance(model, str) else model.__name__
        self.asked = tuple(asked)
        self.declared = tuple((d,) if isinstance(d, str) else tuple(d) for d in declared)
        wanted = "(" + ", ".join(self.asked) + ")"
        known = ", ".join("(" + ", ".join(d) + ")" for d in self.declared) or "none"
        super().__init__(
            f"{self.model} declares no lookup by {wanted}; declared: {known}. Add it to "
            f"{self.model}.cached_by or cached_lists, or query {self.model}.objects instead."
            + (f" In {self.model}:\n    {line}" if line else "")
        )


class MissingProduct(KckPublishError, KeyError):
    """There is no value under this key. Catch this for both reasons below."""

    def __init__(self, key: str, message: str = "") -> None:
        self.key = key
        super().__init__(message or f"There is no value under {key!r}; prime or set it first.")


class UnknownProduct(MissingProduct):
    """Nobody computes this product: check its spelling, write a primer, or `cache.set` it."""

    def __init__(self, key: str, similar: Iterable[str] = ()) -> None:
        self.similar = tuple(similar)
        hint = f" Did you mean {' or '.join(self.similar)}?" if self.similar else ""
        super().__init__(
            key,
            f"No primer computes {key!r} and nothing is set there.{hint} Check the spelling, "
            "declare a primer in an installed app's primers.py, or set the value first.",
        )


class NotPrimed(MissingProduct):
    """Known but not stored: read with `prime_on_cache_miss=True`, or run `kck_prime`."""

    def __init__(self, key: str) -> None:
        super().__init__(
            key,
            f"{key!r} is not stored and may not be primed on a miss. Run `manage.py kck_prime "
            f"{key.partition('/')[0]}`, or read it with prime_on_cache_miss=True.",
        )


class KeyParameterMismatch(KckPublishError):
    """Pass exactly the parameters that the product declares, each of its type."""

    def __init__(self, problem: str, product: str = "") -> None:
        self.problem = problem
        self.product = product
        super().__init__(f"{product}: {problem}" if product else problem)


class VersionMismatch(KckPublishError):
    """Somebody wrote the entry after you read it: read it again, redo the change, set again."""

    def __init__(self, key: str, expected: object, found: object) -> None:
        self.key = key
        self.expected = expected
        self.found = found
        super().__init__(
            f"{key!r} has moved on: version {expected!r} was expected and {found!r} is stored. "
            "Read the entry again, redo the change, and set it with the new version."
        )


class Behind(KckPublishError):
    """The value is older than its `max_lag` allows: see `kck_status`, start a listener."""

    def __init__(self, key: str, lag: float | None = None, reason: str = "") -> None:
        self.key = key
        self.lag = lag  # seconds; None when it cannot be told
        self.reason = reason
        age = "" if lag is None else f" by {lag:.1f} s"
        super().__init__(
            f"{key!r} is behind{age}{': ' + reason if reason else ''}. Look at `manage.py "
            "kck_status` and kck_dead_letters, see that a `manage.py kck_listen` runs, or set "
            'when_behind to "serve" or "compute".'
        )


class Unserializable(KckPublishError):
    """Change the value at the named path into something that can be stored (see the hint)."""

    def __init__(self, path: str, kind: str, hint: str = "") -> None:
        self.path = path
        self.kind = kind
        self.hint = hint
        super().__init__(
            f"The value at {path} ({kind}) cannot be stored"
            + (f": {hint}" if hint else ". Turn it into JSON-like data first.")
        )


class UnreadableValue(KckPublishError):
    """Do without the value, which Python cannot hold, or have the product primed."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(
            f"The changed row has a value in {column} that Python cannot hold, such as infinity."
        )


class TooLarge(KckPublishError):
    """Store less under one key, or raise the limit: `max_bytes`, or MAX_VALUE_BYTES."""

    def __init__(self, key: str, size: int, limit: int) -> None:
        self.key = key
        self.size = size
        self.limit = limit
        super().__init__(
            f"The value of {key!r} has {size:,} bytes; {limit:,} may be stored. Store less under "
            "one key, or raise the primer's max_bytes or KCK_PUBLISH['MAX_VALUE_BYTES']."
        )


class ComputeTimeout(KckPublishError):
    """Make the compute faster, or raise the limit: `time_limit`, or TIME_LIMIT."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        super().__init__(
            f"The compute of {what!r} took longer than {seconds:g} s: cut off. Make it faster, "
            "give what it waits for a timeout of its own, or raise the primer's time_limit or "
            "KCK_PUBLISH['TIME_LIMIT']."
        )


class ConnectionLost(KckPublishError):
    """The server ends the connection whenever this key is computed: see to what its code asks."""

    def __init__(self, key: str, times: int) -> None:
        self.key = key
        self.times = times
        super().__init__(
            f"The database connection was lost {times} time(s) while {key} was computed. See the "
            "server's log: a query that takes all its memory, a limit of the role, or somebody "
            "who ends the session. `kck_dead_letters retry` has it tried again."
        )


class Undecodable(KckPublishError):
    """Stored bytes that are damaged or of another format: unset the key and prime it anew."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The stored value cannot be read ({reason}): it is damaged, or was written in "
            "another format. Unset the key, or refresh it, so that it is primed anew."
        )


class InvalidPrimer(KckPublishError):
    """A declaration that cannot work: correct the primer, parameter or Depends it names."""


class DependencyCycle(InvalidPrimer):
    """Products that depend on each other in a ring: remove one of the named dependencies."""

    def __init__(self, cycle: Sequence[str]) -> None:
        names = list(cycle)
        if not names or names[0] != names[-1] or len(names) == 1:
            names += names[:1]
        self.cycle = tuple(names)
        super().__init__(
            f"These products depend on each other in a ring: {' -> '.join(self.cycle)}. "
            "Remove one of these dependencies."
        )


class DuplicateProduct(InvalidPrimer):
    """Two primers with one key: rename one of the two."""

    def __init__(self, key: str, first: object, second: object) -> None:
        self.key = key
        self.primers = (_name(first), _name(second))
        super().__init__(
            f"Both {self.primers[0]} and {self.primers[1]} compute the product {key!r}. "
            "Give one of them another key."
        )


class UndeclaredRead(KckPublishError):
    """STRICT: add a `Depends` on the named table, or name the column in its `columns=[...]`.

    `reads=[Model]` says that it is on purpose.
    """

    def __init__(self, primer: str, tables: Iterable[str], lines: Iterable[str] = ()) -> None:
        self.primer = primer
        self.tables = tuple(tables)
        self.lines = tuple(lines)
        paste = "".join(f"\n    {line}," for line in self.lines)
        super().__init__(
            f"{primer} reads {', '.join(self.tables)} without declaring it, so changes there "
            "will not refresh it. Add a Depends (or a column to its columns=[...]), or name the "
            "model in reads=[...]." + (f" In depends_on:{paste}" if paste else "")
        )


class UndeclaredReadWarning(KckPublishError, UserWarning):
    """A compute reads a table that it does not declare, where DEBUG is on: see UndeclaredRead."""


class ConfigurationError(KckPublishError):
    """A setting or an argument is wrong: correct it as the message says."""


class StoreMissing(KckPublishError):
    """The store's table is not there: run `manage.py migrate` on that database."""

    def __init__(self, table: str, database: str = "default") -> None:
        self.table = table
        self.database = database
        super().__init__(
            f"Table {table} does not exist in database {database!r}. Run `manage.py migrate "
            f"kck_publish --database {database}`."
        )


class StoreUnreachable(KckPublishError):
    """The cache that STORE names does not answer: see to its server, or set STORE "postgres"."""

    def __init__(self, cache: str, reason: str = "") -> None:
        self.cache = cache
        self.reason = reason
        super().__init__(
            f"The cache {cache!r} cannot be reached{f' ({reason})' if reason else ''}. Reads are "
            "computed until it is back, and listeners wait. See to its server and to CACHES."
        )


class FetchFailed(KckPublishError):
    """A remote source did not answer, or not well: the last good value stays, it is tried again."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(
            f"{source} could not be read: {reason}. What is stored stays; see to the source, and "
            "to the limits (timeout, max_bytes) that are declared for it."
        )


class UnknownDeclaration(KckPublishError):
    """No topic, consumer or connector has this name: declare it, or correct the name."""

    def __init__(self, names: Sequence[str], known: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{', '.join(names)}: nothing is declared under this name. Known: "
            f"{', '.join(known) or 'none'}. Declare it in the module kafka of an installed app."
        )


class ConnectRefused(KckPublishError):
    """Kafka Connect refuses what it was asked, or does not answer: see what it says."""


class Fenced(KckPublishError):
    """This worker no longer owns the shard: drop the batch; the new owner repeats it."""

    def __init__(self, shard: int, reason: str = "") -> None:
        self.shard = shard
        self.reason = reason
        super().__init__(
            f"Shard {shard} has moved to another listener{': ' + reason if reason else ''}. "
            "Nothing was written; the new owner repeats the batch. Take the shard again first."
        )


class ShardOccupied(KckPublishError):
    """Another listener owns a shard and does not come on: see to it, or stop it."""

    def __init__(self, shards: Sequence[int]) -> None:
        self.shards = tuple(shards)
        super().__init__(
            f"Shards {', '.join(map(str, shards))} belong to another session, which does not come "
            "on with them, so what is committed is not handled. See kck_status for the listeners, "
            "and pg_locks for the session; end it, or wait until it has ended."
        )


class Forgotten(KckPublishError):
    """The log was not kept for this follower, so it has missed changes: it has to build anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The log was not kept for {name}: it was forgotten (kck_forget, FORGET_AFTER), or the "
            "database is another cluster's, or has crashed. It has missed changes: override "
            f"reset() to build anew what it keeps, or have it begin as a new one: kck_forget {name}"
        )


class FetcherError(KckPublishError):
    """A DataFetcher that cannot work: correct its class, or the call, as the message says."""


class BatchMismatch(FetcherError):
    """Return one value a key, in the keys' order, with None where there is nothing."""

    def __init__(self, fetcher: type, problem: str) -> None:
        self.fetcher = fetcher.__qualname__
        self.problem = problem
        super().__init__(
            f"{self.fetcher}.{problem}. batch_load returns a list with one value for each key, in "
            "the same order, None where there is nothing; batch_load_dict a dict by key."
        )


class NoBatchLoad(FetcherError, NotImplementedError):
    """Write `batch_load(self, keys)` or `batch_load_dict(self, keys)`."""

    def __init__(self, fetcher: type) -> None:
        self.fetcher = fetcher.__qualname__
        super().__init__(
            f"{self.fetcher} can load nothing: write batch_load(self, keys) or "
            "batch_load_dict(self, keys)."
        )


class MissingRequestContext(KckPublishError):
    """Install `GlobalRequestMiddleware`, or open a context with `with GlobalRequest():`."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} was asked for outside a request. Add "
            '"kck_publish.request.GlobalRequestMiddleware" to MIDDLEWARE; in a task, a command or '
            "a test, open a context: `with GlobalRequest(): ...`."
        )


class RequestNeeded(KckPublishError):
    """Declare that the product depends on the user (`per_user`), or on the host (`base_url`)."""

    def __init__(self, primer: str, what: str) -> None:
        self.primer = primer
        self.what = what
        super().__init__(
            f"The serializer of {primer} reads {what}, and a product is computed for all readers, "
            "where there is no request. Set per_user = True on its primer for one value a user "
            "(request.user), or base_url for absolute URLs. Does the answer depend on more of the "
            "request? Set cached_reads = False on the view."
        )


class Reprime(KckPublishError):
    """Raise it in `augment` when the change cannot be applied: the product is primed instead."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason or "augment asked for a prime")


class UntrustedNearFile(KckPublishError):
    """Put `NEAR` into a folder that only the user of the processes may write."""

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        super().__init__(
            f"{path} {why}, so another user of the host could plant values in it: it is not used. "
            f"Put NEAR into a folder that only the user of your processes (here {os.geteuid()}) "
            "may write, and run the listener as that user."
        )


def _name(primer: object) -> str:
    if isinstance(primer, str):
        return primer
    thing = primer if hasattr(primer, "__qualname__") else type(primer)
    return f"{thing.__module__}.{getattr(thing, '__qualname__', thing)}"
