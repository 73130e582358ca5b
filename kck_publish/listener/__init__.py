"""The process that follows the log."""
