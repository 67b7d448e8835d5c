"""The command line: ``python -m mouthpiece``, and the grammar that Blender's command shares with it."""
