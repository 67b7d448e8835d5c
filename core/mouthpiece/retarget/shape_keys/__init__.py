"""Shape keys known by name: rig families, the table of an object, and the curves of a take."""
