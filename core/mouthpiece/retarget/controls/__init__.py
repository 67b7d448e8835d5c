"""Controls of a rig that drive shape keys: how keys follow them, and the values that give keys theirs."""
