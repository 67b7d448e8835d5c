"""Where faces are seen: takes, films, and what is heard with them."""
