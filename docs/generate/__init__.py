"""Writes the reference pages from the code itself: each module returns one page's text."""
