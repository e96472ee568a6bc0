"""What is remembered: the ledger of a run, its lock, and its events."""
