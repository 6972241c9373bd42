"""The machine's file: what was measured on site, kept beside the human's station file."""
