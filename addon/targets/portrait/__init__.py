"""Portraits: pictures of a face whose frames are rendered."""
