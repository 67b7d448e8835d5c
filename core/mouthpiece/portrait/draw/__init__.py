"""Frames of a portrait: the picture warped, its face repaired."""
