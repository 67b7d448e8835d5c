"""What is wrong with baked characters: measured on what Blender shows, told in the panel and on the command line."""
