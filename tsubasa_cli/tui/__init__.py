"""Textual screens and widgets of the chat."""
