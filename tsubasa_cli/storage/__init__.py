"""SQLite, paths, settings and locks: the only room that knows where data lives."""
