"""A running station is taught from its page."""
