"""Tsubasa: a terminal assistant that gets to know its user, on the user's own machine."""

__version__ = "0.1.0"
