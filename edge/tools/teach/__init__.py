"""Teaching a station on site: what it is shown is kept, and what comes of it is installed like a pushed model."""
