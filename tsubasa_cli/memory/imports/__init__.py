"""A life that was written elsewhere, taken in with its real dates."""
