"""The process that follows the log: shares out the shards, runs their batches, sleeps, looks after.

In: the log, a doorbell, and the other listeners' signs of life. Out: batches of ``refresh``, run by
the one owner of each shard; near stores that are kept up; a trimmed log. The room must not know how
a key is found or a value computed.
"""
