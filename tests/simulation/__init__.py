"""All machines in one process over a log in memory, with virtual time and injected faults; see world.py."""
