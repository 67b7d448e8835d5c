"""Sounds of the scene: data-blocks, files and sequencer strips, their samples and their frames."""
