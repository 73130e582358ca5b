"""The dashboard: who may look, what it costs, what it shows, and in a real browser."""
