"""What the application does with a library: no web in here."""
