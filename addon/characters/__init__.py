"""Characters: found from any of their parts, what plays along with them, their heads, and those of old files."""
