"""Hypothesis: the promises under random histories."""
