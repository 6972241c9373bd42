"""`sorter safe`: every output to its safe level."""
