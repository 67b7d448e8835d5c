"""The phone head of the listener: which phone is said in each fiftieth of a second, read from Whisper's hidden layer.

Run ``transcribe`` once, then ``labels``, then ``train``; ``evaluate`` measures phone errors and boundaries.
"""
