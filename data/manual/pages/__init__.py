"""The pages of the manual, one module each."""
