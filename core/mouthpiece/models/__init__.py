"""The networks: their files, their checks, and running them on input of any length."""
