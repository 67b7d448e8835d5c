"""Rig-free motion: what is added to or done with what the networks predict."""
