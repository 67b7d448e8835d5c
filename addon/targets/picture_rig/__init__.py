"""Picture rigs: an image on a mesh over its landmarks, moved by shape keys."""
