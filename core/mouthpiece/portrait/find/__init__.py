"""Faces found in pictures, or placed there: 68 landmarks each."""
