"""Networks: finding, verifying and running them, on input of any length."""
