"""Against a real PostgreSQL, in this process."""
