"""One batch: from changes to the keys that depend on them, and to their new values.

In: changes that a cursor has not seen, and keys that are due. Out: new values, written in one short
transaction that moves the cursor; failures with the time of their next try. The room must not know
who owns a shard, or what wakes a listener: a session that is passed to it says both.
"""
