"""Serving a page to whoever comes: bounded in every way, and nothing but the page suffers from it."""
