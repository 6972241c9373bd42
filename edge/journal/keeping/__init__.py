"""Pictures that are kept for learning: candidates, which of them are kept and why, and the folder where they lie."""
