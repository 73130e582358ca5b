"""An app of odd models: each is read as ``objects.get()`` reads it, or is refused at start."""

# The checks that warn of models which are here to be warned of: processes are told to be silent.
WARNED_OF = " ".join(f"kck_publish.{check}" for check in ("W006", "W019", "W020", "W027"))
