"""Pictures of faces: reading them, and finding the faces in them. No Blender, no OpenCV."""
