"""From videos to a training pack: clips of sound with tracked faces, in time with each other."""
