"""The harness around a simulated run: built, scored, swept."""
