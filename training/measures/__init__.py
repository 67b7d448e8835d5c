"""Measures of motion that several networks are judged by."""
