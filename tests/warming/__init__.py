"""Primers that take their time, or their worker's life: for tests of ``kck_prime --workers``."""
