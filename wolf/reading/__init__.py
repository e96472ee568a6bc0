"""A run as it is read: rows folded from the ledger, and how they are shown."""
