"""The library behind the other programs that stand between Django and PostgreSQL."""
