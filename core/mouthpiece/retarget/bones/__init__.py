"""Face bones and the head: what follows what, and what goes into a bone's channels."""
