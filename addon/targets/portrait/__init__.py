"""Portraits: a picture whose frames are rendered."""
