"""Plans the keys of a take, writes them as f-curves, notes them in a ledger and removes them again."""
