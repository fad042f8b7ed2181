"""The application: a page in the browser, a REST API, and a worker that reads documents in the background."""
