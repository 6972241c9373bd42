"""A hall of light stations, and the engines that watch it."""
