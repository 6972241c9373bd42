"""The person at the station: what is asked, shown and answered."""
