"""`sorter count`: how many items a clip shows."""
