"""What is made to go wrong in the program's own surroundings, in the simulator and for practice."""
