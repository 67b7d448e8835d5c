"""Picture rigs: an image on a mesh that is built over its landmarks and moved by shape keys."""
