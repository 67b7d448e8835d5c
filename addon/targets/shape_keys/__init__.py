"""Shape keys that are driven by their names, or by a table that the user edits."""
