"""What an operator asks for: prime, explain, verify, draw."""
