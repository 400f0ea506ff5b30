"""One screen per module, each with its own stylesheet beside it."""
