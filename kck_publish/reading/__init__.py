"""The read path: the stored value where it may be served, else a prime."""
