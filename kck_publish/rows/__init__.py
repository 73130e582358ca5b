"""A model's rows as products: ``CacheModel``, ``.cached``, cached methods.

In: models, with the lookups and relations that they declare. Out: products of rows, lists and whole
tables, and instances made from their bytes. The room must not know of batches or listeners: to the
rest of the library a row is a product like any other.
"""
