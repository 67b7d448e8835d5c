"""The content code: speech taken apart into what is said and who says it."""
