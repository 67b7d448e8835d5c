"""Where pictures and films of talking portraits come from: recorded in them, signed, marked visibly, and read back."""
