"""A line baked onto a character, dialled again, split into layers; what the character carries for it."""
