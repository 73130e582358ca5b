"""One batch: from changes to the keys that depend on them, and to their new values.

In: changes that a cursor has not seen, and keys that are due. Out: new values, written in one short
transaction that moves the cursor; failures with the time of their next try. The room must not know
who owns a shard, or what wakes a listener: a session that is passed to it says both.

In the order of the flow: ``batch`` takes rows of the log; ``dependents`` finds the keys that they
touch, and ``target_tasks`` makes their work. ``refresher`` then asks what is stored (``prefetch``),
amends (``augment``) or computes each value, and has ``write_decision`` say what becomes of it.
``write`` writes; ``announce`` tells the project, ``cascade`` adds the keys that depend on a result,
and ``failures`` records what to try again. ``backlog`` and ``schedule`` say what else is due.
"""
