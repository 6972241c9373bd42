"""Measurements from pictures and strokes."""
