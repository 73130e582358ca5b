"""The settings' defaults: what `KCK_PUBLISH` may say, with the type and the check of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .conf_types import (
    boolean,
    callables,
    duration,
    kafka,
    lease,
    path,
    pooler,
    positive,
    retry,
    seconds,
    setting,
    size,
    store,
    text,
)
from .retry_policy import Retry


@dataclass(frozen=True)
class Settings:
    """All settings with their defaults. Durations may be given as timedelta or in seconds."""

    STORE: str = setting("postgres", store)
    """The store of the values: "postgres" (a table of DATABASE) or "cache:<alias>" (of CACHES)."""

    NEAR: str | None = setting(None, path)
    """Path of the host-local near store (an LMDB file); None = no near store."""

    NEAR_SIZE: int = setting(256 * 1024 * 1024, size)
    """Largest size of the near store, in bytes; what is read least makes way. At least 1 MiB."""

    NEAR_LEASE: float = setting(2.0, lease)
    """Seconds for which readers trust a near store whose follower is gone. At least 0.1."""

    ENABLED: bool = setting(True, boolean)
    """False: every read computes, and readers store nothing; changes are still captured."""

    STRICT: bool | None = setting(None, boolean)
    """True: a compute that reads a table or column it does not declare raises, instead of warning.

    None: in test runs only.
    """

    SHARDS: int = setting(1, positive)
    """Parts of the key space, over all listeners; at least 1."""

    RETRY: Retry | None = setting(None, retry)
    """The default `Retry`; a dict of its arguments will do; None = its own defaults."""

    MAX_BATCH: int = setting(1000, positive)
    """Changes handled in one refresh chunk, in rows; at least 1."""

    MAX_CHANGES: int = setting(5000, positive)
    """Changes handled in one batch; a source that has more is worked off in pages, between the
    batches of the others. Also how many stored keys of a product touched as a whole; at least 1."""

    POLL_INTERVAL: float = setting(5.0, seconds)
    """The seat belt: seconds between looks at the log while asleep. Read as float seconds."""

    DIRECT: str | None = setting(None, text)
    """Past a pooler: an alias, or connection string, of the listener's; None = as DATABASE."""

    POOLER: str | None = setting(None, pooler)
    """Before DATABASE stands a pooler in "transaction" or "session" mode; None = find out."""

    RING: bool = setting(True, boolean)
    """False: nobody rings by NOTIFY, so that writers may PREPARE TRANSACTION; listeners poll."""

    RETENTION: timedelta = setting(timedelta(minutes=5), duration)
    """The time that handled log rows are kept. A timedelta."""

    LINGER: float = setting(0.001, seconds)
    """The time that a listener under load stays awake after the last change, in seconds."""

    AWAKE_POLL: float = setting(0.005, seconds)
    """Seconds between two looks at the log while awake. Read as float seconds."""

    SILENCE: float = setting(15.0, seconds)
    """Seconds without a sign of life after which a listener's shards are taken from it."""

    AUDIT: int | None = setting(None, positive)
    """Keys a minute that a listener recomputes and compares, at random; None = none."""

    BEFORE_BATCH: tuple[Callable[[], object], ...] = setting((), callables)
    """Called before each batch: callables, or their dotted paths, that clear what is cached in
    the memory of the process. What Django itself caches is cleared anyway."""

    LOG_VALUES: bool = setting(False, boolean)
    """True: the log shows the messages of errors of your code, which may hold values."""

    FORGET_AFTER: timedelta | None = setting(None, duration)
    """A consumer of the log (no shard) silent for so long is forgotten; None = never by itself."""

    HISTORY: timedelta | None = setting(timedelta(days=7), duration, optional=True)
    """How long the history is kept, a row a product and busy minute; None = none is written."""

    HEALTH_TOKEN: str | None = setting(None, text)
    """Who sends it as ``Authorization: Bearer ...`` is told the whole of ``health``; None = nobody
    without the permission."""

    DEV_LISTENER: bool = setting(False, boolean)
    """True: ``runserver`` follows the log in its own process where no listener runs."""

    DATABASE: str = setting("default", text)
    """Alias in DATABASES of the database with the sources, the log and the store."""

    MAX_VALUE_BYTES: int | None = setting(None, positive)
    """Largest body that is stored, in bytes; None = no limit."""

    ABSENCES: int = setting(10_000, positive)
    """The greatest number of stored answers "there is none", for keys that nobody wrote."""

    ABSENT_FOR: timedelta = setting(timedelta(days=1), duration)
    """The time that such an answer is stored. A timedelta."""

    TIME_LIMIT: timedelta | None = setting(None, duration)
    """Longest time of a compute; None = no limit."""

    KAFKA: Mapping[str, Any] | None = setting(None, kafka, secret=True)
    """librdkafka's settings by their names, with dicts "consumer", "producer", "schema_registry"
    and "connect" for those of one part only; None = no Kafka."""

    LIVE_URL: str = setting("/live/", text)
    """Where pages find the live hub: the path of ``live(..., path=)``, or the URL of LiveView."""

    LIVE_STREAMS: int = setting(20_000, positive)
    """Open streams of a process; more are refused with 503."""

    LIVE_STREAMS_PER_USER: int = setting(50, positive)
    """Open streams of one user who is logged in, in a process; more are refused with 429."""

    LIVE_KEYS: int = setting(200, positive)
    """Keys on one stream; more are refused with 413."""

    LIVE_HEARTBEAT: float = setting(15.0, seconds)
    """Seconds after which a stream that says nothing says that it is alive."""

    LIVE_RECHECK: float = setting(60.0, seconds)
    """Seconds after which it is asked again who may see what is on a stream."""
