"""From videos to a training pack: clips of sound with tracked faces, in time with each other.

Run ``prepare``, then (with a trained content network) ``resync``. Other folders read packs by ``clips``.
"""
