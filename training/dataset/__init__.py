"""Labelled photos: read, split, checked."""
