"""Warps of a plane by landmarks: triangles, their folds, and turns of the head."""
