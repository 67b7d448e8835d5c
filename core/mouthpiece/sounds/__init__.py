"""Files of sound as they are: what their headers say, what is really in them, and who decodes them."""
