"""The command line ``python -m mouthpiece``, and the arguments that Blender's command has as well."""
