"""Typer commands, one module per group: parse, call, render."""
