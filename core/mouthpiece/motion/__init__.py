"""Motion without a rig: what is added to the networks' predictions, and how it is changed."""
