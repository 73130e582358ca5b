"""Signals of what the listener does. Receivers that fail are logged and harm nothing.

Of a key: ``primed``, ``augmented``, ``published``, ``removed``, ``differed``, ``failed``. The
sender is the product's class, and each is sent with

    product, key   the product's name, and the key
    seconds        what the compute, or the augment, took; None where there was none
    bytes          the size of the stored value; None where none was stored
    lag            seconds from the first change that touched the key to the write; None without one
    changes        how many changes were augmented; None for a compute
    reason         why, in words, as ``kck_explain`` shows it
    error, attempts, due_at     of ``failed``: the exception, how often it was tried, and when it is
                   tried again (None: it is a dead letter); attempts None: nothing could be recorded

Of a batch: ``batch_begins`` before it, outside its transaction, with the alias of the
database: a receiver forgets what this process has cached. ``batch`` after it, with `using`,
``shard``, ``seconds``, ``bytes``, ``lag`` (of its oldest change), ``changes`` (rows of the log),
``reason`` (``"log"``, ``"start"`` of a shard, or ``"round"``) and ``keys``, how many were
``primed``, ``augmented``, ``unchanged``, ``removed``, ``failed`` and ``postponed``.

Of the listener itself, with `using` and ``name``: ``listener_starts``; ``listener_ready``, with
its ``shards``, the first time that it is caught up; ``connection_lost``, with ``error`` and
``reason`` (``"database"``, ``"standby"`` or ``"store"``); ``connection_found``, with ``seconds``;
``shard_taken`` and ``shard_left``, with ``shard`` and ``reason``; ``backlog_drained``, with
``shard``, ``seconds`` since it was put aside, and ``changes`` handled meanwhile.
"""

from __future__ import annotations

from django.dispatch import Signal

primed = Signal()
augmented = Signal()
published = Signal()
removed = Signal()
differed = Signal()
failed = Signal()

batch_begins = Signal()
batch = Signal()

listener_starts = Signal()
listener_ready = Signal()
connection_lost = Signal()
connection_found = Signal()
shard_taken = Signal()
shard_left = Signal()
backlog_drained = Signal()
