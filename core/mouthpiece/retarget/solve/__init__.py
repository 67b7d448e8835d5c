"""Shape keys of any name: the weights with which a rig's shapes fit the landmarks."""
