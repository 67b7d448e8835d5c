"""Head motion on a bone or an object."""
