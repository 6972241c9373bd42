"""What the pages tell of the past: counts and durations over time, and items with their pictures, from the journal."""
