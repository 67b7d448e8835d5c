"""Texts of what is said: their words as phones, and when those are said."""
