"""Tables the core ships, measured on recorded faces or on the demo head: one program for each file."""
