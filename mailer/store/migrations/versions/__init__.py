"""One file a revision; the file's name is the revision."""
