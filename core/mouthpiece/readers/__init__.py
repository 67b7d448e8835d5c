"""Readers of what others may have written: files, JSON and arrays, with limits on size, depth and numbers.

All of them raise :class:`~mouthpiece.errors.UnreadableError` and nothing else. Their work is bounded by the real size
of what they are given.
"""
