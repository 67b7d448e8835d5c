"""Mouth charts: visemes measured on a face, charts of drawn mouths, and when which mouth is shown."""
