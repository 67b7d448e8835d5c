"""Crafted and mutated files for every reader: ``python -m tests.fuzz --minutes 5``.

Whatever is in a file, reading it either works or raises an error in words. Anything else is a fault: another exception,
a crash, ten seconds of computing, two gigabytes of memory, a file left behind, an accepted forgery. Each input follows
from the seed, the campaign's name and a number, so that a fault can be had again.
"""
