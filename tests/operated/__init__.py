"""What an operator sees: the admin, in the test client and in a real Chromium."""
