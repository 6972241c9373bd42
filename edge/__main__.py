"""`python -m edge` is `sorter`."""

from edge.cli import main

main()
