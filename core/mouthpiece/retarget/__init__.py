"""From a performance to the channels of a rig. Pure maths and tables; nothing here knows Blender."""
