"""An application of which two versions run at once: see ``tests/acceptance/test_deploy.py``."""
