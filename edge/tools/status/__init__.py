"""How a running station is, asked by another process: what `sorter status` and `sorter top` show."""
