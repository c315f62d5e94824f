"""Retrieve: passages of a folder's files, kept on disk as an index that finds them by words and by vectors, and quotes them."""
