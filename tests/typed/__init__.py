"""A small project for type checkers: ``right`` is inferred as it says, each line of ``wrong`` that
is marked is an error, and no other line is (tests/unit/test_types.py).
"""
