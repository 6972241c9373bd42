"""The contract between workstation and device: one file that holds a model and all that it needs."""
