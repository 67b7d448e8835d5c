"""Bones of the face and the head: which bone follows which part of a face, and the values of its channels."""
