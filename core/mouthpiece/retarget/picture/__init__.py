"""Picture rigs, without Blender: a mesh over the face, layers behind it, and the shapes of its keys."""
