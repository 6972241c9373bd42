"""Making a station right on site: measuring it, keeping the result, and saying when it no longer holds."""
