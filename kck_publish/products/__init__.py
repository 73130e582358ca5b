"""The products: what each is computed from, and how a compute is run.

In: declarations, from ``rows``, ``primers`` and ``aggregates``. Out: the registry and its graph,
keys and their parameters, encoded values, and computes within their limits. The room must not know
whether a value is stored, who asks for it, or when it is refreshed.
"""
