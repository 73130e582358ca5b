"""What the suite changes in Django: the command ``flush``, which ends each test that commits."""
