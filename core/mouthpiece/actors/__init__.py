"""One actor's way of moving, fitted to what was recorded of that actor: a small file beside the networks."""
