"""The change log: what is in it, how far each follower has read it, and how it is kept short.

In: the rows that ``capture`` has written, and requests to refresh a key. Out: decoded changes past
a cursor, in the order of snapshots; lags; the log, trimmed once every follower has read it. The
room must not know which keys depend on a change, or where values live.
"""
