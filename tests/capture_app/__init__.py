"""Models of every awkward kind, to be captured by the integration tests."""
