"""`sorter setup`: the service and its files."""
