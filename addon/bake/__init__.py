"""Bakes lines onto characters, dials them again, splits them into layers, and keeps the settings for that."""
