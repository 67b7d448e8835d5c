"""Sounds of the scene: data-blocks, files and sequencer strips, as samples on the scene's frames."""
