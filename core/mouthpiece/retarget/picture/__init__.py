"""A picture as a puppet: a mesh over its face, layers behind it, and the shapes its keys have. No Blender."""
