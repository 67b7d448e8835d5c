"""Measures of motion: ``score`` is the yardstick all networks are judged by, the other programs each look at one thing.

``baselines``, ``phonemes``, ``demo_face`` and ``markdown`` are what they are built of.
"""
