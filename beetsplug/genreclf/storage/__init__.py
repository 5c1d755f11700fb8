"""The library database, the journal and the tags of files."""
