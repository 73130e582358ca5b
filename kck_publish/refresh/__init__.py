"""One batch: from changes to the keys that depend on them, and to their new values."""
