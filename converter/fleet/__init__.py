"""Bundles to devices over SSH, and their journals back."""
