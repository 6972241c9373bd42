"""How well a network sorts photos."""
