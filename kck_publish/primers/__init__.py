"""The classes by which users declare products.

In: subclasses of ``Primer`` and functions under ``@primer``. Out: products, registered as they are
declared, with their options checked where they stand. The room must not know how its products are
stored, followed or refreshed.
"""
