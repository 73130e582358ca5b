"""Real processes, killed and cut off."""
