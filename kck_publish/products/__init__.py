"""What can be computed, from what, and how a compute is run."""
