"""The content network: what is said to how the mouth moves. Trained, judged, exported, adapted to an actor."""
