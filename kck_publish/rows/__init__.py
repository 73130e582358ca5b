"""A model's rows as products: ``CacheModel``, ``.cached``, cached methods."""
