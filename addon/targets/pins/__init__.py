"""Shape keys with any names, whose values are solved for landmarks pinned on the mesh."""
