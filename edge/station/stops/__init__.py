"""What makes a station stand still: emergency stop and pause over restarts, and the pins of a program that is gone."""
