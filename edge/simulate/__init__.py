"""The simulated station: a belt or a bin, its camera, its flaps and what really happened to every item."""
