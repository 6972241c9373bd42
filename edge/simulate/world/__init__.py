"""What happens on the simulated belt or bin."""
