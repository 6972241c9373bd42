"""What Linux gives: files, locks, signals, systemd, scheduling."""
