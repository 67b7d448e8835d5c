"""The listener: what the content network hears, built from speech recognisers."""
