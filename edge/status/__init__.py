"""What is shown of the running station: live view and metrics."""
