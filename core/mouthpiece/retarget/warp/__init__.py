"""A plane carried along by landmarks: triangles, folds, and turns of the head."""
