"""Lower teeth that are objects without shape keys."""
