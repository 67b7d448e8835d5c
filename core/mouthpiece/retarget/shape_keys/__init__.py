"""Shape keys known by name: rig families, the table of what drives each key, and the curves of a take."""
