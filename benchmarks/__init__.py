"""Measurements, side by side with what one would use instead. ``make bench`` runs them all.

Each module is one script: ``python -m benchmarks.push`` and so on. It starts a PostgreSQL of its
own (or uses the server of ``DATABASE_URL``), runs its rounds interleaved, and prints medians with
their spread, ratios within the run, and the target beside each. Nothing fails for being slow.
"""
