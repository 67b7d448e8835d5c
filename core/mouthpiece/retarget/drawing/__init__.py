"""Drawn faces: how a performance moves their strokes, and when a new drawing is made."""
