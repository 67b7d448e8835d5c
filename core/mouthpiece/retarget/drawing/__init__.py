"""Drawn faces: their strokes moved by a performance, and when a new drawing is due."""
