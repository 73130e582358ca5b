"""Products that the clock, and sources outside the database, keep: an app of some processes."""
