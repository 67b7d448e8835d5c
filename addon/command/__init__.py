"""The command line inside Blender: ``blender -b scene.blend -c mouthpiece …``."""
