"""What queries read: the conditions in their SQL, and the lookup paths that follow from them.

In: the text of queries with what they were given, and Django's models. Out: the parameters of a key
that a table's rows are found by, as a ``Depends`` maps them. Needs sqlglot (the extra ``suggest``).
Must not know products, nor run anything but the queries that compare a guess with the rows.
"""
