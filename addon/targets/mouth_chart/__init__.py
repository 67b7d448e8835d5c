"""Mouth charts: drawn mouths, pictures or objects swapped by mouth shape."""
