"""Mouth charts: drawings, pictures or objects that are swapped by mouth shape."""
