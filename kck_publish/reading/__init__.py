"""The read path: the stored value where it may be served, else a prime.

In: keys that a reader asks for. Out: values that include the reader's own writes; entries that a
miss has added to the store. The room must not know how a batch is made: it asks for a refresh by a
row of the log, and waits for no listener unless a product says so.

``read`` looks into the request's memo and goes through the ``tiers``: the near copy, the store by
``read_with_own_writes``, then ``prime``. ``freshness`` judges what is found. ``async_reads`` is for
asynchronous code; values that are set by hand are of ``manual_write`` and ``manual_values``.
"""
