"""Is the station well: faults, heartbeats, retries, and the state that follows from them."""
