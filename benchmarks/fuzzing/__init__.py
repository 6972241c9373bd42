"""What `benchmarks/fuzz.py` feeds the program, one module for each kind of thing that comes from outside."""
