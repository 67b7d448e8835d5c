"""Pins, the vertices of a mesh that are the 68 landmarks: their names, and proposals for them."""
