"""The past of a source, read page by page from its API or its files, into the same topics as its hooks."""
