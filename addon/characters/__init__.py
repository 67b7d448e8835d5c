"""Characters: found from any of their parts, with what plays along, what turns with the head, and old files' settings."""
