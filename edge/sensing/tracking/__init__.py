"""Following items on the belt from frame to frame."""
