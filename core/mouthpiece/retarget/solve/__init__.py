"""Shape keys by geometry: a rig's own shapes fitted to landmarks."""
