"""Keys of a take: planned, written as f-curves, noted in a ledger, and taken off again."""
