"""Who speaks what: the table of a film's lines, and the takes made of it."""
