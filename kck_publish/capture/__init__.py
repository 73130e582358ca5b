"""From a committed write to a row of the change log, by triggers in the writer's transaction.

In: sources (which columns of which table), as the products declare them; any program's SQL. Out:
rows of the change log, and for each session the last transaction that wrote under a source. The
room must not know what a product is, who reads the log, or how a value is refreshed.
"""
