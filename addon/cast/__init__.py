"""Who speaks which line of a scene, and all of them animated at once."""
