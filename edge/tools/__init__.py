"""One folder for each command that does not sort."""
