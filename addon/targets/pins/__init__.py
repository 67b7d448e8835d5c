"""Shape keys of any names, solved for the landmarks pinned on the mesh."""
