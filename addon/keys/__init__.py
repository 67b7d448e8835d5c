"""Plans the keys of a line, writes them as f-curves, notes them in a ledger and removes them again."""
