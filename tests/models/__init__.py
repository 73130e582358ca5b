"""The protocols as small models, each run through every interleaving."""
