"""Photos and labels from other tools, and for them: each format is a file in `formats`."""
