"""What the controller drives and looks through."""
