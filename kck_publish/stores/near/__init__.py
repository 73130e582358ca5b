"""The near store: a copy of entries in an LMDB file that every process of a host reads.

In come the keys whose entries were written (``journal``) and the keys that readers ask for
(``hold_requests``); out go entries, while a lease holds. The follower writes (``writer``, over
``locked_file`` and ``usage``), everybody else reads (``reader``, while ``reader_lease`` sees the
lease hold), by one ``format``; ``file_owner`` refuses the file of another Unix user. This room
knows entries and snapshots, and nothing of how the follower waits or who may be served.
"""
