"""Products whose computes hang when they are told to: an app of some processes."""
