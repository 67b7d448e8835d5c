"""Records in pictures and films that say how they were made: written, signed, marked visibly, read and checked."""
