"""Watchers of faults, one file each."""
