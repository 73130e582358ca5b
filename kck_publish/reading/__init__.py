"""The read path: the stored value where it may be served, else a prime.

In: keys that a reader asks for. Out: values that include the reader's own writes; entries that a
miss has added to the store. The room must not know how a batch is made: it asks for a refresh by a
row of the log, and waits for no listener unless a product says so.
"""
