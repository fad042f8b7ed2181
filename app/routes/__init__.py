"""The routes below `/api/v1`, a file for each kind of request."""
