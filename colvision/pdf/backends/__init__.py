"""What draws pages, inside the worker process: `open_document(request)` of one of these."""
