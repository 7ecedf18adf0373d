"""The steps. A new one gets the next number."""
