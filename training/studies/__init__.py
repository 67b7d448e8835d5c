"""Studies of the content network, each run by itself.

``ablate`` compares it with rivals and reduced versions; ``crossfit`` judges it on people it was not trained on.
"""
