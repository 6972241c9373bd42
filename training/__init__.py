"""Labelled photos to a trained Keras model with an honest report (workstation only)."""
