"""Shape keys whose names are known, or mapped by hand."""
