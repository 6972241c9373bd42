"""`sorter doctor --report`: what a machine is and how fast it is, in a file that a person can send."""
