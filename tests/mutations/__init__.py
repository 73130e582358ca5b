"""Each guard of the protocols is taken out, one at a time, and its test must fail.

    python -m tests.mutations            all of them: some minutes
    python -m tests.mutations sleep      those whose name holds a word
    python -m tests.mutations --table    only writes docs/guards.md

``guards`` is the table; a fast test of the suite holds that it still fits the code.
"""
