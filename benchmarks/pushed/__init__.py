"""An app that only some benchmarks install: the peers that push, each with a table of its own."""
