"""Products that are declared by a queryset alone: see ``primer``. Above ``aggregates``.

In: a QuerySetPrimer's ``queryset``. Out: its dependencies, read from the query itself, and its
values in the form in which the queryset gives them. ``probe`` runs ``queryset`` without a database,
``reading`` goes through the queries (``tables``, ``expressions``, ``links``, ``prefetches``),
``joined`` makes trees of their tables, ``plan`` the dependencies, and ``instances`` keeps rows.
``keeping`` finds whether a value is amended by the change alone: where Python knows its columns
(``kept_columns``) and conditions (``exact_conditions``), and what a row is joined to
(``joined_changes``).
Must not know of batches, of stores and of the listener.
"""
