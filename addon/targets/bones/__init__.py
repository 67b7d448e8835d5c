"""Face bones of an armature."""
