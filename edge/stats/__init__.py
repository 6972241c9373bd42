"""What the journal tells when it is summed up: how many items of which kind, and how pure the bins are."""
