"""An app of odd models: each is read as ``objects.get()`` reads it, or is refused at start."""
