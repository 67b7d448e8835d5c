"""The speaker branch: voice prints, manners, and how heads move."""
