"""Mouth shapes: visemes read off a face, charts of drawn mouths, and when which is shown."""
