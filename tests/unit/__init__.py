"""Pure parts, no database."""
