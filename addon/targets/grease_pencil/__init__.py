"""Drawn faces of Grease Pencil: their plane, their handles, their layers, and the drawings of a line."""
