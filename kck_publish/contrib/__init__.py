"""What joins the library to other packages: each optional, and each a leaf.

In: the other package's classes. Out: primers and views for the users of that package. No other
room may import from here.
"""
