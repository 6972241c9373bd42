"""`sorter check` and `sorter doctor`: what is wrong before anything runs."""
