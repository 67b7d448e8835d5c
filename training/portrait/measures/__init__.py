"""How portraits are judged: figures of frames, shots and spoken lines, the page of tables, and contact sheets."""
