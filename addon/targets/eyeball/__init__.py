"""Eyeballs that are objects without shape keys."""
