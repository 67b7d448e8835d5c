"""Tables the core ships, measured on recorded faces."""
