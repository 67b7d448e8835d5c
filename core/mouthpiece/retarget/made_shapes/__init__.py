"""Shapes that a head lacks, made from those of another head."""
