"""Where the 68 landmarks are on a mesh: their names, and pins proposed."""
