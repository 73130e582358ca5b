"""From a committed write to a row of the change log: triggers, and what a session wrote."""
