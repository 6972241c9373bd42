"""What the simulated camera sees."""
