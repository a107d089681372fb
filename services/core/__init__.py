"""What every service shares: numbers, messages, the log, the one loop. See services/README.md."""
