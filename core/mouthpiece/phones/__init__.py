"""Which phones and words are heard in a sound, and when: heard by the listener, or aligned with a text."""
