"""The classes by which users declare products."""
