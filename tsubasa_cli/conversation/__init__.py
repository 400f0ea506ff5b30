"""Sessions and turns; what goes into the context window, and in which order."""
