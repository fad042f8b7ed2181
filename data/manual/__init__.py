"""The sample manual: a PDF writer of our own, drawings, and the pages themselves."""
