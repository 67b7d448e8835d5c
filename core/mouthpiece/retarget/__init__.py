"""Turns a performance into the channels of a rig, by maths and tables; nothing here knows Blender."""
