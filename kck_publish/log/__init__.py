"""The change log: what is in it, how far each follower has read it, and how it is kept short."""
