"""Signals of what the listener does. Receivers that fail are logged and harm nothing.

Each is sent with ``product`` (its name), ``key`` and, where there is one, ``error``; the sender
is the product's class.
"""

from __future__ import annotations

from django.dispatch import Signal

# Before each batch, outside its transaction, with the alias of the database: a receiver forgets
# what this process has cached.
batch_begins = Signal()
primed = Signal()
augmented = Signal()
published = Signal()
removed = Signal()
differed = Signal()
failed = Signal()
